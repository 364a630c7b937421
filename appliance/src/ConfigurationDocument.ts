/**
 * The text of docs/configuration.md, made from the list of settings.
 */
import { settings } from "./Settings.ts"

/** The document. */
export const configurationDocument = (): string =>
  `# Configuration

Settings are environment variables. \`rainlogs config\` prints them with their values and where each comes from; secrets are not shown. An unknown \`RAINLOGS_*\` variable is an error at start.

${
    settings.map(({ about, fallback, name, type, unit, visibility }) =>
      `## \`${name}\`\n\n${about}\n\nType: ${type}${unit === "" ? "" : `, in ${unit}`}${
        visibility === "secret" ? ". Secret" : ""
      }. Default: ${/^[a-z0-9:/.]+$/i.test(fallback) ? `\`${fallback}\`` : fallback}.\n`
    ).join("\n")
  }`
