/**
 * The rows of a GraphQL answer as the bytes they came in: compact, but never parsed and printed again, for numbers of
 * 64 bits are not numbers of JavaScript.
 */
import { Schema } from "effect"

const Answer = Schema.fromJsonString(Schema.Struct({
  errors: Schema.optionalKey(Schema.NullOr(Schema.Tuple([]))),
  data: Schema.Struct({ viewer: Schema.Struct({ zones: Schema.Array(Schema.Record(Schema.String, Schema.Unknown)) }) })
}))

/** Whether a body is JSON with exactly one zone's data, and no errors. */
export const decodeZone = Schema.decodeUnknownOption(Answer)

/** The end of the string that begins at `from`. */
const endOfString = (text: string, from: number): number => {
  let at = from + 1
  while (text.charCodeAt(at) !== 0x22) at += text.charCodeAt(at) === 0x5c ? 2 : 1
  return at + 1
}

/** JSON text without the white space between its tokens; `text` is valid JSON. */
const compact = (text: string): string => {
  if (!/\s/.test(text)) return text
  let out = ""
  for (let at = 0; at < text.length;) {
    const character = text[at]!
    if (character === "\"") {
      const end = endOfString(text, at)
      out += text.slice(at, end)
      at = end
    } else {
      if (!/\s/.test(character)) out += character
      at++
    }
  }
  return out
}

/**
 * The elements of the list that is the value of `name` in the answer's only zone, each as compact JSON text. The body
 * is valid JSON in which that list is there (see {@link decodeZone}): in `{data:{viewer:{zones:[{name:[…]}]}}}` it opens
 * the sixth bracket.
 */
export const rowTexts = (body: string, name: string): ReadonlyArray<string> => listTexts(body, name, 6)

/**
 * The elements, objects or lists, of the list that is the value of `name` and opens the bracket number `listDepth` of
 * valid JSON, each as compact JSON text.
 */
export const listTexts = (body: string, name: string, listDepth: number): ReadonlyArray<string> => {
  const rows: Array<string> = []
  let depth = 0
  let key = ""
  let inList = false
  let start = 0
  for (let at = 0; at < body.length;) {
    const code = body.charCodeAt(at)
    if (code === 0x22) {
      const end = endOfString(body, at)
      if (depth === listDepth - 1 && !inList) key = body.slice(at + 1, end - 1)
      at = end
      continue
    }
    if (code === 0x7b || code === 0x5b) {
      depth++
      if (depth === listDepth && code === 0x5b && key === name) inList = true
      else if (inList && depth === listDepth + 1) start = at
    } else if (code === 0x7d || code === 0x5d) {
      if (inList && depth === listDepth + 1) rows.push(compact(body.slice(start, at + 1)))
      if (inList && depth === listDepth) return rows
      depth--
    }
    at++
  }
  return rows
}
