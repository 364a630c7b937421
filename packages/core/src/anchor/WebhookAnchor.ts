/**
 * Anchor: a pin held by somebody else. Every anchored checkpoint is posted to an address of the operator's choice,
 * signed as Standard Webhooks 1.0.0 says, so that the receiver can tell who sent it.
 */
import { encode } from "@rainlogs/verify/Ascii"
import * as Base64 from "@rainlogs/verify/Base64"
import { sha256 } from "@rainlogs/verify/Hash"
import * as Hex from "@rainlogs/verify/Hex"
import { Clock, Effect, Redacted } from "effect"
import type { HttpClient } from "effect/http"
import { createHmac } from "node:crypto"
import { uuidFromText } from "../domain/Identifier.ts"
import type { Anchor, StampRequest } from "./Anchor.ts"
import { answerTimeoutMs, makePost } from "./AnchorHttp.ts"
import { checkStatement, printStatement, statementOf } from "./StatementReceipt.ts"

/** Where to post, and the 24 to 64 bytes that sign. */
export interface WebhookAnchorOptions {
  readonly id: string
  readonly url: string
  readonly secret: Redacted.Redacted<Uint8Array>
  readonly stampsPerMinute: number
  /** The longest time for an answer, ms; {@link answerTimeoutMs} when left out. */
  readonly timeoutMs?: number
}

/** The bytes of a secret in the form `whsec_<base64>`; null unless they are 24 to 64, as the specification asks. */
export const parseSecret = (text: string): Uint8Array | null => {
  if (!text.startsWith("whsec_")) return null
  try {
    const bytes = Base64.decode(text.slice("whsec_".length))
    return bytes.length >= 24 && bytes.length <= 64 ? bytes : null
  } catch {
    return null
  }
}

/** The value of `webhook-signature`: HMAC-SHA256 over `<id>.<seconds>.<body>`. */
export const signature = (
  secret: Redacted.Redacted<Uint8Array>,
  message: { readonly id: string; readonly seconds: number; readonly body: Uint8Array }
): string =>
  `v1,${
    createHmac("sha256", Redacted.value(secret)).update(`${message.id}.${message.seconds}.`).update(message.body)
      .digest("base64")
  }`

/** The id of the message about a checkpoint: the same for every attempt, so the receiver can tell a repetition. */
export const messageId = (anchor: string, request: StampRequest): string =>
  `msg_${
    uuidFromText(`rainlogs-webhook/v1\n${anchor}\n${request.origin}\n${Hex.encode(sha256(request.checkpoint))}\n`)
  }`

/** The body: the checkpoint and what it says, for those who do not want to parse it. `time` is Unix ms. */
export const body = (request: StampRequest, time: number): Uint8Array =>
  encode(JSON.stringify({
    type: "checkpoint.published",
    timestamp: new Date(time).toISOString(),
    origin: request.origin,
    size: request.size,
    root: Hex.encode(request.root),
    checkpoint: Base64.encode(request.checkpoint),
    time
  }))

/** The anchor that posts to a webhook. */
export const make = Effect.fnUntraced(function*(
  options: WebhookAnchorOptions
): Effect.fn.Return<Anchor, never, HttpClient.HttpClient> {
  const post = yield* makePost
  const self = { id: options.id, type: "webhook" } as const
  return {
    ...self,
    stampsPerMinute: options.stampsPerMinute,
    stamp: Effect.fn("WebhookAnchor.stamp")(function*(request) {
      const sent = yield* Clock.currentTimeMillis
      const message = { id: messageId(self.id, request), seconds: Math.floor(sent / 1000), body: body(request, sent) }
      const { status } = yield* post({
        anchor: self.id,
        url: options.url,
        contentType: "application/json",
        headers: {
          "webhook-id": message.id,
          "webhook-timestamp": String(message.seconds),
          "webhook-signature": signature(options.secret, message)
        },
        body: message.body,
        timeoutMs: options.timeoutMs ?? answerTimeoutMs,
        longestAnswerBytes: null
      })
      const time = yield* Clock.currentTimeMillis
      const bytes = printStatement(statementOf(self, request, time), { message: message.id, status })
      return { bytes, time, expires: null }
    }),
    check: (receipt, request) => checkStatement(self, receipt, request)
  }
})
