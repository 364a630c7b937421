/**
 * The rules of the pipeline benchmark, and the same for jq.
 */

/** Drops lines of one status, cuts addresses, redacts a field. */
export const benchRules = {
  format: "rainlogs-pipeline/v1",
  rules: [
    { rule: "drop", when: { field: "EdgeResponseStatus", equals: 204 } },
    { rule: "truncate-ip", field: "ClientIP", missing: "ignore" },
    { rule: "redact", field: "ClientRequestUserAgent", missing: "ignore" }
  ]
}

/** What jq does in its place; it cuts IPv4 addresses only, and prints every line anew. */
export const jqProgram =
  "select(.EdgeResponseStatus != 204) | (.ClientIP | strings) |= sub(\"\\\\.[0-9]+$\"; \".0\") | " +
  "(.ClientRequestUserAgent | strings) |= \"[redacted]\""
