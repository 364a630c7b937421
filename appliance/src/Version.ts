/** The version of this program, as `--version`, the API and the manifests say it. */
export const version = "0.1.0"
