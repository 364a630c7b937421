/**
 * Anchor: a witness (C2SP tlog-witness) that cosigns checkpoints it has seen grow from one another. Its receipt is the
 * signature lines of its answer; the time is that of the cosignature (C2SP tlog-cosignature, type 4).
 */
import { concat } from "@rainlogs/verify/Bytes"
import { MalformedError } from "@rainlogs/verify/Malformed"
import { parseNote, verifyNote } from "@rainlogs/verify/Note"
import type { VerifierKey } from "@rainlogs/verify/VerifierKey"
import { Effect } from "effect"
import { type Anchor, AnchorError, type ReceiptFacts, type StampRequest } from "./Anchor.ts"

/** A witness, and how to reach it. */
export interface WitnessAnchorOptions {
  readonly id: string
  /** The witness's key, type 4. */
  readonly key: VerifierKey
  /** Asks the witness for its cosignature; answers with its signature lines. */
  readonly cosign: (request: StampRequest) => Effect.Effect<Uint8Array, AnchorError>
  readonly stampsPerMinute: number
}

/** The anchor that asks a witness. */
export const make = ({ cosign, id, key, stampsPerMinute }: WitnessAnchorOptions): Anchor => {
  const failed = (category: AnchorError["category"], detail: string) =>
    new AnchorError({ anchor: id, category, detail, retryAfterMs: null })

  const check = Effect.fnUntraced(function*(
    receipt: Uint8Array,
    request: StampRequest
  ): Effect.fn.Return<ReceiptFacts, AnchorError> {
    const facts = yield* Effect.try({
      try: () => {
        const { text } = parseNote(request.checkpoint)
        // The lines are what the note of the same body would end with.
        const note = parseNote(concat(new TextEncoder().encode(`${text}\n`), receipt))
        if (note.text !== text) throw new MalformedError("cosignature", "more than signature lines")
        const { bad, timestamps } = verifyNote(note, [key])
        return { bad: bad.length > 0, seconds: timestamps.get(key) }
      },
      catch: (error) => failed("rejected", `the cosignature is malformed: ${String(error)}`)
    })
    if (facts.bad) return yield* failed("untrusted", "the cosignature does not hold")
    if (facts.seconds === undefined) return yield* failed("untrusted", `the cosignature is not of ${key.name}`)
    return { time: facts.seconds * 1000, expires: null }
  })

  return {
    id,
    type: "witness",
    stampsPerMinute,
    stamp: Effect.fn("WitnessAnchor.stamp")(function*(request) {
      const bytes = yield* cosign(request)
      return { bytes, ...(yield* check(bytes, request)) }
    }),
    check
  }
}
