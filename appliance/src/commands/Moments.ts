/**
 * Moments on the command line as the API takes them.
 */
import { parseMoment } from "@rainlogs/verify/commands/CommandLine"
import { Effect, Schema } from "effect"

/** The text is no moment; the message says what is. */
export class MomentInvalid extends Schema.TaggedError<MomentInvalid>()("MomentInvalid", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

/** RFC 3339 text of a moment given as ISO 8601 or Unix ms; null for the empty text. */
export const momentOrNull = (flag: string, text: string): Effect.Effect<string | null, MomentInvalid> =>
  Effect.try({
    try: () => text === "" ? null : new Date(parseMoment(flag, text)).toISOString(),
    catch: (cause) => new MomentInvalid({ detail: cause instanceof Error ? cause.message : String(cause) })
  })
