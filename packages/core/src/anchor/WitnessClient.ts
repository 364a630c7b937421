/**
 * Asks a witness for its cosignature (C2SP tlog-witness `add-checkpoint`): learns how far it has seen the ledger, and
 * proves from there, out of the stored tiles.
 */
import { ledgerPrefix } from "@rainlogs/verify/Layout"
import { consistencyProof } from "@rainlogs/verify/Merkle"
import { parseNote } from "@rainlogs/verify/Note"
import { tileNodes } from "@rainlogs/verify/TileNodes"
import { printAddCheckpoint } from "@rainlogs/verify/witness/AddCheckpoint"
import { Effect, Schema } from "effect"
import { ObjectMissing, type ObjectStore } from "../storage/ObjectStore.ts"
import { AnchorError, type StampRequest } from "./Anchor.ts"
import { type AnchorAnswer, answerTimeoutMs, makePost } from "./AnchorHttp.ts"

/** Where a witness is. */
export interface WitnessClientOptions {
  /** Name of the anchor, for errors. */
  readonly id: string
  /** Its submission prefix: `/add-checkpoint` is appended. */
  readonly url: string
  readonly store: ObjectStore["Service"]
}

const longestAnswerBytes = 65_536

const Size = Schema.NumberFromString.pipe(
  Schema.check(Schema.isInt(), Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
)

/** Builds the function that asks: it answers the witness's signature lines, which are not verified yet. */
export const make = Effect.fnUntraced(function*({ id, store, url }: WitnessClientOptions) {
  const post = yield* makePost
  const runPromise = Effect.runPromiseWith(yield* Effect.context<never>())
  /** How far the witness has seen each ledger, as far as we know. */
  const seen = new Map<string, number>()
  const failed = (category: AnchorError["category"], detail: string) =>
    new AnchorError({ anchor: id, category, detail, retryAfterMs: null })

  const read = (key: string): Promise<Uint8Array | null> =>
    runPromise(
      store.getBytes(key).pipe(
        Effect.catch((error) => error instanceof ObjectMissing ? Effect.succeed(null) : Effect.fail(error))
      )
    )

  const ask = Effect.fnUntraced(function*(request: StampRequest, old: number) {
    const { checkpoint, origin, size } = request
    const body = yield* Effect.tryPromise({
      try: async () =>
        printAddCheckpoint({
          old,
          proof: old === 0 || old === size ? [] : await consistencyProof(tileNodes({ read }, origin, size), old, size),
          checkpoint: parseNote(checkpoint)
        }),
      catch: (cause) =>
        failed("transient", `no proof from ${old} entries below ${ledgerPrefix(origin)}: ${String(cause)}`)
    })
    return yield* post({
      anchor: id,
      url: `${url.replace(/\/$/, "")}/add-checkpoint`,
      headers: {},
      contentType: "text/plain; charset=utf-8",
      body,
      timeoutMs: answerTimeoutMs,
      longestAnswerBytes,
      answers: [409]
    })
  })

  const sizeIn = ({ body }: AnchorAnswer) =>
    Schema.decodeUnknownEffect(Size)(Buffer.from(body).toString("latin1").trim()).pipe(
      Effect.mapError(() => failed("rejected", "it answers 409 and does not say which size it has seen"))
    )

  return Effect.fn("WitnessClient.cosign")(function*(request: StampRequest) {
    const { origin, size } = request
    const known = Math.min(seen.get(origin) ?? 0, size)
    let answer = yield* ask(request, known)
    if (answer.status === 409) {
      const stated = yield* sizeIn(answer)
      if (stated > size) {
        const detail = `it has already cosigned ${stated} entries of ${origin}, more than the ${size} there are: ` +
          "the archive was set back, or somebody else publishes under its name"
        return yield* failed("equivocation", detail)
      }
      seen.set(origin, stated)
      answer = yield* ask(request, stated)
    }
    if (answer.status === 409) {
      return yield* failed("rejected", "it has cosigned another root for this size, or is asked by two")
    }
    seen.set(origin, size)
    return answer.body
  })
})
