/**
 * A witness in memory, beside the real ones: its receipts are real cosignatures, and it can be told to fail.
 */
import { signCheckpoint } from "@rainlogs/verify/Checkpoint"
import * as Hex from "@rainlogs/verify/Hex"
import { Clock, Effect } from "effect"
import { type Anchor, type AnchorCategory, AnchorError, type StampRequest } from "../../src/anchor/Anchor.ts"
import * as WitnessAnchor from "../../src/anchor/WitnessAnchor.ts"
import { keysOf } from "../../src/ledger/SignerKeyFile.ts"
import golden from "../vectors/ledger.json" with { type: "json" }

const seeds = { log: Hex.decode(golden.keys.log.testSeedHex), clock: Hex.decode(golden.keys.clock.testSeedHex) }
// The clock of another log signs as a witness does.
const signer = keysOf("witness.example", seeds).clock

/** The key of its cosignatures. */
export const witnessKey = signer.key

/** What the witness answers at a time (Unix s): its line of the cosigned note. */
export const cosigned = ({ origin, root, size }: StampRequest, timestamp: number): Uint8Array => {
  const { immutable, served } = signCheckpoint({
    checkpoint: { origin, size, root },
    log: keysOf(origin, seeds).log,
    clock: { ...signer, timestamp }
  })
  return served.slice(immutable.length)
}

/** What a fake anchor was asked, and how it behaves. */
export class FakeAnchor {
  /** What was stamped; `at` is when (Unix ms), `time` what the receipt says (whole seconds, Unix ms). */
  readonly stamped: Array<
    { readonly origin: string; readonly size: number; readonly at: number; readonly time: number }
  > = []
  attempts = 0
  /** Set to make it fail. */
  failure: { readonly category: AnchorCategory; readonly retryAfterMs: number | null } | null = null
  /** Set to make it hang. */
  hangs = false
  /** How long an answer takes, ms. */
  takesMs = 0
  /** How far its clock is ahead, ms. */
  skewMs = 0
  /** When what its receipts rest on expires, Unix ms. */
  expires: number | null = null
  readonly anchor: Anchor
  #calls = 0

  constructor(id: string, type: Anchor["type"] = "witness", stampsPerMinute = 600) {
    const real = WitnessAnchor.make({
      id,
      key: witnessKey,
      stampsPerMinute,
      cosign: (request) =>
        Effect.gen({ self: this }, function*() {
          this.attempts += 1
          if (this.hangs) return yield* Effect.never
          if (this.failure !== null) {
            return yield* new AnchorError({ anchor: id, detail: "told to fail", ...this.failure })
          }
          // Every other receipt states the second before, so that two for one checkpoint differ.
          if (this.takesMs > 0) yield* Effect.sleep(this.takesMs)
          const at = yield* Clock.currentTimeMillis
          const seconds = Math.floor((at + this.skewMs) / 1000) - this.#calls++ % 2
          this.stamped.push({ origin: request.origin, size: request.size, at, time: seconds * 1000 })
          return cosigned(request, seconds)
        })
    })
    this.anchor = {
      ...real,
      type,
      stamp: (request) => Effect.map(real.stamp(request), (receipt) => ({ ...receipt, expires: this.expires })),
      check: (receipt, request) =>
        Effect.map(real.check(receipt, request), (facts) => ({ ...facts, expires: this.expires }))
    }
  }
}
