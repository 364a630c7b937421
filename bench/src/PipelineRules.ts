/**
 * The rules of the pipeline benchmark, and the same for sed.
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

/** What sed does in its place: by the text of a line, IPv4 addresses only. jq refuses some of the records (lone surrogates). */
export const sedProgram = "/\"EdgeResponseStatus\":204[,}]/d; s/(\"ClientIP\":\"[0-9.]*\\.)[0-9]+\"/\\10\"/; " +
  "s/(\"ClientRequestUserAgent\":)\"[^\"]*\"/\\1\"[redacted]\"/"
