/**
 * An anchor in memory, beside the real ones: its receipts name the checkpoint and a time, and it can be told to fail.
 */
import { encode } from "@rainlogs/verify/Ascii"
import { sha256 } from "@rainlogs/verify/Hash"
import * as Hex from "@rainlogs/verify/Hex"
import type { JudgeTimestamp } from "@rainlogs/verify/verification/Receipts"
import { Clock, Effect } from "effect"
import { type Anchor, type AnchorCategory, AnchorError, type StampRequest } from "../../src/anchor/Anchor.ts"

/** What a fake anchor was asked, and how it behaves. */
export class FakeAnchor {
  readonly stamped: Array<{ readonly origin: string; readonly size: number; readonly time: number }> = []
  attempts = 0
  /** Set to make it fail. */
  failure: { readonly category: AnchorCategory; readonly retryAfterMs: number | null } | null = null
  /** Set to make it hang. */
  hangs = false
  /** How far its clock is ahead, ms. */
  skewMs = 0
  /** When what its receipts rest on expires, Unix ms. */
  expires: number | null = null
  readonly anchor: Anchor
  #nonce = 0

  constructor(id: string, type: Anchor["type"] = "rfc3161", stampsPerMinute = 600) {
    this.anchor = {
      id,
      type,
      stampsPerMinute,
      stamp: (request) =>
        Effect.gen({ self: this }, function*() {
          this.attempts += 1
          if (this.hangs) return yield* Effect.never
          if (this.failure !== null) {
            return yield* new AnchorError({ anchor: id, detail: "told to fail", ...this.failure })
          }
          const time = (yield* Clock.currentTimeMillis) + this.skewMs
          this.stamped.push({ origin: request.origin, size: request.size, time })
          const bytes = this.#receipt(request, time, this.#nonce++)
          return { bytes, time, expires: this.expires }
        }),
      check: (receipt, request) =>
        Effect.gen({ self: this }, function*() {
          const [, time = "", nonce = ""] = new TextDecoder().decode(receipt).split(" ")
          const expected = this.#receipt(request, Number(time), Number(nonce))
          if (Buffer.compare(receipt, expected) === 0) return { time: Number(time), expires: this.expires }
          return yield* new AnchorError({ anchor: id, category: "rejected", detail: "another", retryAfterMs: null })
        })
    }
  }

  #receipt(request: StampRequest, time: number, nonce: number): Uint8Array {
    return encode(`${Hex.encode(sha256(request.checkpoint))} ${time} ${nonce}`)
  }
}

/** The verifier's judge of these receipts. */
export const judgeTimestamp: JudgeTimestamp = (receipt, imprint) => {
  const [checkpoint, time] = new TextDecoder().decode(receipt).split(" ")
  return Promise.resolve(
    checkpoint === Hex.encode(imprint)
      ? { outcome: "valid", time: Number(time), expires: Number.MAX_SAFE_INTEGER, by: "the fake" }
      : { outcome: "mismatch", reason: "another checkpoint" }
  )
}
