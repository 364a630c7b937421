/**
 * Anchor: a time-stamping authority over HTTP (RFC 3161 §3.4). Its answer is checked as strictly as the verifier will
 * check it, before it is kept.
 */
import { sha256 } from "@rainlogs/verify/Hash"
import { MalformedError } from "@rainlogs/verify/Malformed"
import type { TimestampJudgement } from "@rainlogs/verify/verification/Receipts"
import { Effect } from "effect"
import type { HttpClient } from "effect/http"
import { randomBytes } from "node:crypto"
import { type Anchor, type AnchorCategory, AnchorError, type ReceiptFacts, type StampRequest } from "./Anchor.ts"
import { answerTimeoutMs, makePost } from "./AnchorHttp.ts"

/** The messages of RFC 3161. */
export interface TimestampMessages {
  /** A TimeStampReq (DER) for a SHA-256 that asks for the signer's certificate. */
  readonly request: (question: { readonly imprint: Uint8Array; readonly nonce: Uint8Array }) => Uint8Array
  /**
   * Judges a TimeStampResp (DER) about a SHA-256 under the trusted roots; a nonce that is not null must be in it.
   * Rejects with `MalformedError` for what is no such message.
   */
  readonly judge: (
    response: Uint8Array,
    question: { readonly imprint: Uint8Array; readonly nonce: Uint8Array | null }
  ) => Promise<TimestampJudgement>
}

/** An authority, and how its messages are made and judged. */
export interface TimestampAnchorOptions {
  readonly id: string
  readonly url: string
  readonly messages: TimestampMessages
  readonly stampsPerMinute: number
  /** The longest time for an answer, ms; 30 000 when left out. */
  readonly timeoutMs?: number
}

/** A token with all its certificates is a few kB; more than this, bytes, is none. */
export const longestAnswerBytes = 262_144

const categories: { readonly [O in Exclude<TimestampJudgement["outcome"], "valid">]: AnchorCategory } = {
  mismatch: "rejected",
  invalid: "untrusted",
  untrusted: "untrusted"
}

/** 64 bits (RFC 3161 §2.4.1), as a positive integer of exactly eight bytes. */
const newNonce = (): Uint8Array => {
  const nonce = new Uint8Array(randomBytes(8))
  nonce[0] = (nonce[0]! & 0x7f) | 0x40
  return nonce
}

/** The anchor at an authority. */
export const make = Effect.fnUntraced(function*(
  options: TimestampAnchorOptions
): Effect.fn.Return<Anchor, never, HttpClient.HttpClient> {
  const { id, messages, stampsPerMinute, url } = options
  const post = yield* makePost

  const judge = Effect.fnUntraced(function*(
    response: Uint8Array,
    question: { readonly imprint: Uint8Array; readonly nonce: Uint8Array | null }
  ): Effect.fn.Return<ReceiptFacts, AnchorError> {
    const failed = (category: AnchorCategory, detail: string) =>
      new AnchorError({ anchor: id, category, detail, retryAfterMs: null })
    const judged = yield* Effect.tryPromise({
      try: () => messages.judge(response, question),
      catch: (error) =>
        failed("rejected", `the answer is no timestamp: ${error instanceof MalformedError ? error.message : String(error)}`)
    })
    if (judged.outcome !== "valid") return yield* failed(categories[judged.outcome], judged.reason)
    return { time: judged.time, expires: judged.expires }
  })

  const imprintOf = ({ checkpoint }: StampRequest) => sha256(checkpoint)

  return {
    id,
    type: "rfc3161",
    stampsPerMinute,
    stamp: Effect.fn("TimestampAnchor.stamp")(function*(request) {
      const question = { imprint: imprintOf(request), nonce: newNonce() }
      const { body } = yield* post({
        anchor: id,
        url,
        contentType: "application/timestamp-query",
        headers: { accept: "application/timestamp-reply" },
        body: messages.request(question),
        timeoutMs: options.timeoutMs ?? answerTimeoutMs,
        longestAnswerBytes
      })
      return { bytes: body, ...(yield* judge(body, question)) }
    }),
    check: (receipt, request) => judge(receipt, { imprint: imprintOf(request), nonce: null })
  }
})
