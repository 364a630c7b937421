/**
 * Why a window could not be sealed. Nothing is kept of such an attempt.
 */
import { Schema } from "effect"

/** What is wrong with the input. */
export const SealFault = Schema.Literals([
  "not-json",
  "not-object",
  "invalid-utf8",
  "empty-line",
  "line-too-long",
  "object-too-large"
])
export type SealFault = typeof SealFault.Type

const reasons: Readonly<Record<SealFault, string>> = {
  "not-json": "is not JSON",
  "not-object": "is JSON but not an object",
  "invalid-utf8": "is not valid UTF-8",
  "empty-line": "is empty",
  "line-too-long": "is longer than the limit",
  "object-too-large": "takes the stored object over its limit"
}

/**
 * The input cannot become one object. `malformed`: the line is not one JSON object in UTF-8; collect again.
 * `oversize`: the object would be too large; split the window in time. `line` counts from 1, `offset` is the byte
 * offset of its start in the input. The content itself is never part of the error.
 */
export class SealError extends Schema.TaggedError<SealError>()("SealError", {
  category: Schema.Literals(["malformed", "oversize"]),
  code: SealFault,
  line: Schema.Int,
  offset: Schema.Int
}) {
  override get message(): string {
    return `line ${this.line} (at byte ${this.offset}) ${reasons[this.code]}`
  }
}
