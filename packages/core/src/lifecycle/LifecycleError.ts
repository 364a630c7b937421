/**
 * Why a hold, a release or an erasure was not done. `detail` says which rule is in the way, `remedy` what to do. Nothing
 * was chained.
 */
import { Schema } from "effect"

const explained = { detail: Schema.String, remedy: Schema.String }

/** The hold or its release is not allowed as it is. */
export class HoldRefused extends Schema.TaggedError<HoldRefused>()("HoldRefused", explained) {
  override get message(): string {
    return `${this.detail}. ${this.remedy}`
  }
}

/** The customer has no such hold. */
export class HoldMissing extends Schema.TaggedError<HoldMissing>()("HoldMissing", { id: Schema.String }) {}

/** The erasure is not allowed: now, or at all. */
export class ErasureRefused extends Schema.TaggedError<ErasureRefused>()("ErasureRefused", explained) {
  override get message(): string {
    return `${this.detail}. ${this.remedy}`
  }
}

/** The customer has no such erasure. */
export class ErasureMissing extends Schema.TaggedError<ErasureMissing>()("ErasureMissing", { id: Schema.String }) {}

/**
 * The store did not let everything go: the erasure stays `executing`, is not reported as done, and is tried again. `key`
 * is the first that is still there.
 */
export class ErasureIncomplete extends Schema.TaggedError<ErasureIncomplete>()("ErasureIncomplete", {
  id: Schema.String,
  key: Schema.String,
  detail: Schema.String
}) {}
