/**
 * The receipt of a bucket or a webhook: the archive's own word about what it sent where, as canonical JSON (keys
 * sorted, no white space). It informs; it is never a trusted time (ledger format §6).
 */
import { encode } from "@rainlogs/verify/Ascii"
import { sha256 } from "@rainlogs/verify/Hash"
import * as Hex from "@rainlogs/verify/Hex"
import { Effect, Schema } from "effect"
import { AnchorError, type ReceiptFacts, type StampRequest } from "./Anchor.ts"

/** What was sent: `checkpoint` is the SHA-256 (hex) of the stamped bytes, `time` our clock's when it was kept, Unix ms. */
export interface Statement {
  readonly anchor: string
  readonly checkpoint: string
  readonly size: number
  readonly time: number
  readonly type: "bucket" | "webhook"
}

const Stated = Schema.fromJsonString(Schema.Struct({
  anchor: Schema.String,
  checkpoint: Schema.String,
  size: Schema.Int,
  time: Schema.Int,
  type: Schema.Literals(["bucket", "webhook"])
}))

/** Prints a statement and what else there is to say, whose names must not be those of the statement. */
export const printStatement = (statement: Statement, further: Readonly<Record<string, string | number>>): Uint8Array =>
  encode(JSON.stringify(
    Object.fromEntries(Object.entries({ ...further, ...statement }).sort(([left], [right]) => left < right ? -1 : 1))
  ))

/** The statement that an anchor keeps a checkpoint since `time`. */
export const statementOf = (
  anchor: { readonly id: string; readonly type: "bucket" | "webhook" },
  request: StampRequest,
  time: number
): Statement => ({
  anchor: anchor.id,
  checkpoint: Hex.encode(sha256(request.checkpoint)),
  size: request.size,
  time,
  type: anchor.type
})

/** Reads a stored receipt back; `rejected` when it is not the statement about this checkpoint. */
export const checkStatement = Effect.fnUntraced(function*(
  anchor: { readonly id: string; readonly type: "bucket" | "webhook" },
  receipt: Uint8Array,
  request: StampRequest
): Effect.fn.Return<ReceiptFacts, AnchorError> {
  const rejected = (detail: string) =>
    new AnchorError({ anchor: anchor.id, category: "rejected", detail, retryAfterMs: null })
  const stated = yield* Schema.decodeEffect(Stated)(new TextDecoder().decode(receipt)).pipe(
    Effect.mapError(() => rejected("the receipt is not the JSON it should be"))
  )
  const expected = statementOf(anchor, request, stated.time)
  const same = stated.anchor === expected.anchor && stated.checkpoint === expected.checkpoint &&
    stated.size === expected.size && stated.type === expected.type
  return same ? { time: stated.time, expires: null } : yield* rejected("the receipt is of another checkpoint")
})
