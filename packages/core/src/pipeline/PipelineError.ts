/**
 * Why a pipeline could not be applied to a line. With `onError: fail` nothing of the window is archived.
 */
import { Schema } from "effect"

/** What is wrong with a line. */
export const LineFault = Schema.Literals([
  "not-json",
  "missing-field",
  "not-an-address",
  "not-a-value",
  "too-many-values"
])
export type LineFault = typeof LineFault.Type

const reasons: Readonly<Record<LineFault, string>> = {
  "not-json": "is no JSON object in UTF-8, or nests more than 100 arrays in each other",
  "missing-field": "does not have the field",
  "not-an-address": "has something there that is no IP address",
  "not-a-value": "has an object there, which has no pseudonym or address",
  "too-many-values": "has more than 100000 values of the fields that rules name"
}

/** A rule cannot be applied to a line. `line` counts from 1; `field` is the path in the rule. Never holds content. */
export class PipelineError extends Schema.TaggedError<PipelineError>()("PipelineError", {
  code: LineFault,
  line: Schema.Int,
  field: Schema.NullOr(Schema.String)
}) {
  override get message(): string {
    return `line ${this.line} ${reasons[this.code]}${this.field === null ? "" : ` (field ${this.field})`}`
  }
}

/** The key of a period's pseudonyms was destroyed, so that no window of the period can be archived any more. */
export class PseudonymKeyDestroyed extends Schema.TaggedError<PseudonymKeyDestroyed>()("PseudonymKeyDestroyed", {
  period: Schema.String
}) {
  override get message(): string {
    return `the key of the pseudonyms of ${this.period} was destroyed; set a pipeline without them, or with another rotation`
  }
}

/** Why nothing of a window was archived: a line, or a key. */
export type PipelineFailure = PipelineError | PseudonymKeyDestroyed
