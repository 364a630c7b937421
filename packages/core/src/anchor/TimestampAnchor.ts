/**
 * Anchor: a time-stamping authority over HTTP (RFC 3161 §3.4). Its answer is checked as the verifier will check it,
 * before it is kept.
 */
import { sha256 } from "@rainlogs/verify/Hash"
import { MalformedError } from "@rainlogs/verify/Malformed"
import type { Certificate } from "@rainlogs/verify/timestamp/Certificate"
import { printTimestampRequest } from "@rainlogs/verify/timestamp/TimestampToken"
import { type TimestampClaim, type TimestampOutcome, verifyTimestamp } from "@rainlogs/verify/timestamp/VerifyTimestamp"
import { Effect } from "effect"
import type { HttpClient } from "effect/http"
import { randomBytes } from "node:crypto"
import { type Anchor, type AnchorCategory, AnchorError, type ReceiptFacts } from "./Anchor.ts"
import { answerTimeoutMs, makePost } from "./AnchorHttp.ts"

/** An authority, and the roots its timestamps must lead to. */
export interface TimestampAnchorOptions {
  readonly id: string
  readonly url: string
  readonly roots: ReadonlyArray<Certificate>
  readonly stampsPerMinute: number
  /** The longest time for an answer, ms; 30 000 when left out. */
  readonly timeoutMs?: number
}

/** A token with all its certificates is a few kB; more than this, bytes, is none. */
export const longestAnswerBytes = 262_144

const nonceBytes = 8

const categories: { readonly [O in Exclude<TimestampOutcome["outcome"], "valid">]: AnchorCategory } = {
  mismatch: "rejected",
  invalid: "rejected",
  untrusted: "untrusted"
}

/** The anchor at an authority. */
export const make = Effect.fnUntraced(function*(
  options: TimestampAnchorOptions
): Effect.fn.Return<Anchor, never, HttpClient.HttpClient> {
  const { id, roots, stampsPerMinute, url } = options
  const post = yield* makePost

  const judge = Effect.fnUntraced(function*(
    claim: Omit<TimestampClaim, "roots">,
    what: string
  ): Effect.fn.Return<ReceiptFacts, AnchorError> {
    const failed = (category: AnchorCategory, detail: string) =>
      new AnchorError({ anchor: id, category, detail, retryAfterMs: null })
    const judged = yield* Effect.tryPromise(() => verifyTimestamp({ ...claim, roots })).pipe(
      Effect.catch(({ cause }) =>
        cause instanceof MalformedError
          ? Effect.fail(failed("rejected", `${what} is no timestamp: ${cause.message}`))
          : Effect.die(cause)
      )
    )
    if (judged.outcome !== "valid") return yield* failed(categories[judged.outcome], judged.reason)
    return { time: judged.time, expires: judged.expires }
  })

  return {
    id,
    type: "rfc3161",
    stampsPerMinute,
    stamp: Effect.fn("TimestampAnchor.stamp")(function*({ checkpoint }) {
      const nonce = new Uint8Array(randomBytes(nonceBytes))
      const { body, contentType } = yield* post({
        anchor: id,
        url,
        contentType: "application/timestamp-query",
        headers: { accept: "application/timestamp-reply" },
        body: printTimestampRequest(sha256(checkpoint), nonce),
        timeoutMs: options.timeoutMs ?? answerTimeoutMs,
        longestAnswerBytes
      })
      const what = `the answer (${contentType.slice(0, 60)})`
      return { bytes: body, ...(yield* judge({ response: body, message: checkpoint, nonce }, what)) }
    }),
    check: (receipt, { checkpoint }) => judge({ response: receipt, message: checkpoint }, "it")
  }
})
