/**
 * Alerts by HTTP: to a webhook of the operator's, signed as Standard Webhooks 1.0.0 says, and to a chat that takes
 * Slack's incoming-webhook format (`{"text": …}`).
 */
import { inWords, Notice } from "@rainlogs/core/alert/Alert"
import { type AlertSink, AlertUndelivered } from "@rainlogs/core/alert/AlertSink"
import { answerTimeoutMs, makePost } from "@rainlogs/core/anchor/AnchorHttp"
import { signature } from "@rainlogs/core/anchor/WebhookAnchor"
import { Clock, Effect, Redacted, Schema } from "effect"

const encodeNotice = Schema.encodeSync(Notice)

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

/** The body of a signed webhook: `type` is `alert.firing`, `alert.resolved` or `alert.happened`. */
export const webhookBody = (notice: Notice): Uint8Array =>
  json({
    type: `alert.${notice.phase}`,
    timestamp: new Date(notice.at).toISOString(),
    data: encodeNotice(notice)
  })

/** The body for Slack's format. */
export const slackBody = (notice: Notice): Uint8Array => {
  const { text, title } = inWords(notice)
  // Slack reads &, < and > as markup («Formatting text for app surfaces»).
  const escaped = `*${title}*\n${text}`.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
  return json({ text: escaped })
}

/** Posts and tells a refusal that will not change from a failure that may. */
const makeSend = (id: string, timeoutMs: number) =>
  Effect.map(
    makePost,
    (post) => (url: Redacted.Redacted<string>, body: Uint8Array, headers: Readonly<Record<string, string>>) =>
      post({
        anchor: id,
        url: Redacted.value(url),
        contentType: "application/json",
        headers,
        body,
        timeoutMs,
        longestAnswerBytes: null
      }).pipe(
        Effect.asVoid,
        Effect.mapError(({ category, detail, retryAfterMs }) =>
          new AlertUndelivered({
            sink: id,
            permanent: category === "rejected",
            detail: `${category}: ${detail}`,
            retryAfterMs
          })
        )
      )
  )

/** The webhook; `url` may hold a secret, so it is `Redacted` too. `timeoutMs` is for one answer. */
export const webhook = Effect.fnUntraced(function*(options: {
  readonly url: Redacted.Redacted<string>
  readonly secret: Redacted.Redacted<Uint8Array>
  readonly timeoutMs?: number
}) {
  const send = yield* makeSend("webhook", options.timeoutMs ?? answerTimeoutMs)
  return {
    id: "webhook",
    send: Effect.fnUntraced(function*(notice) {
      const seconds = Math.floor((yield* Clock.currentTimeMillis) / 1000)
      const body = webhookBody(notice)
      yield* send(options.url, body, {
        "webhook-id": notice.id,
        "webhook-timestamp": String(seconds),
        "webhook-signature": signature(options.secret, { id: notice.id, seconds, body })
      })
    })
  } satisfies AlertSink
})

/** The chat; its URL is the secret. */
export const slack = Effect.fnUntraced(function*(
  options: { readonly url: Redacted.Redacted<string>; readonly timeoutMs?: number }
) {
  const send = yield* makeSend("slack", options.timeoutMs ?? answerTimeoutMs)
  return { id: "slack", send: (notice) => send(options.url, slackBody(notice), {}) } satisfies AlertSink
})
