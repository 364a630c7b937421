/**
 * Who is told when something is wrong, as `RAINLOGS_ALERT_*` says.
 */
import * as AlertLoop from "@rainlogs/core/alert/AlertLoop"
import { type AlertSink, AlertSinks } from "@rainlogs/core/alert/AlertSink"
import { urlFault } from "@rainlogs/core/anchor/AnchorHttp"
import { parseSecret } from "@rainlogs/core/anchor/WebhookAnchor"
import * as EmailSink from "@rainlogs/server/alert/EmailSink"
import * as SystemConditions from "@rainlogs/server/alert/SystemConditions"
import * as WebhookSink from "@rainlogs/server/alert/WebhookSink"
import * as SystemState from "@rainlogs/server/api/SystemState"
import { Config, Effect, Layer, Option, Redacted, Schema } from "effect"
import { join } from "node:path"
import { DataDirectory } from "./DataDirectory.ts"

/** A setting of the alerts cannot be used. The value is not repeated: it may be a secret. */
export class AlertSettingInvalid extends Schema.TaggedError<AlertSettingInvalid>()("AlertSettingInvalid", {
  setting: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.setting} cannot be used: ${this.detail}.`
  }
}

const secretOf = (name: string) => Config.option(Config.Redacted(name))
const textOf = (name: string) => Config.option(Config.String(name))

const checkedUrl = (setting: string, url: Redacted.Redacted<string>) => {
  const fault = urlFault(Redacted.value(url))
  return fault === undefined
    ? Effect.succeed(url)
    : Effect.fail(new AlertSettingInvalid({ setting, detail: `it must be ${fault}` }))
}

const webhook = Effect.gen(function*() {
  const url = yield* secretOf("RAINLOGS_ALERT_WEBHOOK_URL")
  const secret = yield* secretOf("RAINLOGS_ALERT_WEBHOOK_SECRET")
  if (Option.isNone(url)) return []
  const bytes = Option.isNone(secret) ? null : parseSecret(Redacted.value(secret.value))
  if (bytes === null) {
    return yield* new AlertSettingInvalid({
      setting: "RAINLOGS_ALERT_WEBHOOK_SECRET",
      detail: "it must be `whsec_` and 24 to 64 random bytes in base64, so that the receiver can tell who sent an alert"
    })
  }
  return [
    yield* WebhookSink.webhook({
      url: yield* checkedUrl("RAINLOGS_ALERT_WEBHOOK_URL", url.value),
      secret: Redacted.make(bytes)
    })
  ]
})

const slack = Effect.gen(function*() {
  const url = yield* secretOf("RAINLOGS_ALERT_SLACK_URL")
  if (Option.isNone(url)) return []
  return [yield* WebhookSink.slack({ url: yield* checkedUrl("RAINLOGS_ALERT_SLACK_URL", url.value) })]
})

const email = Effect.gen(function*() {
  const server = yield* secretOf("RAINLOGS_ALERT_SMTP_URL")
  if (Option.isNone(server)) return []
  const from = yield* textOf("RAINLOGS_ALERT_EMAIL_FROM")
  const to = yield* textOf("RAINLOGS_ALERT_EMAIL_TO")
  const text = Redacted.value(server.value)
  if (!/^smtps?:\/\/.+/.test(text) || !URL.canParse(text)) {
    return yield* new AlertSettingInvalid({
      setting: "RAINLOGS_ALERT_SMTP_URL",
      detail: "it must be a URL such as smtps://user:password@mail.example:465"
    })
  }
  const addresses = Option.getOrElse(to, () => "").split(",").map((one) => one.trim()).filter((one) => one !== "")
  if (Option.isNone(from) || addresses.length === 0) {
    return yield* new AlertSettingInvalid({
      setting: Option.isNone(from) ? "RAINLOGS_ALERT_EMAIL_FROM" : "RAINLOGS_ALERT_EMAIL_TO",
      detail: "with RAINLOGS_ALERT_SMTP_URL both a sender and at least one recipient are needed"
    })
  }
  return [EmailSink.make({ server: server.value, from: from.value, to: addresses })]
})

const sinks = Layer.effect(
  AlertSinks,
  Effect.gen(function*() {
    const all: ReadonlyArray<AlertSink> = [...yield* webhook, ...yield* slack, ...yield* email]
    return all
  })
)

/** The loop over what is wrong; without a sink it still writes the log and the metrics. `everyMs` is for tests. */
export const layer = (everyMs = AlertLoop.defaultAlertLoop.everyMs) =>
  Layer.unwrap(
    Effect.map(DataDirectory, ({ root }) =>
      AlertLoop.layer({ ...AlertLoop.defaultAlertLoop, everyMs, file: join(root, "alerts.json") }))
  ).pipe(
    Layer.provide(sinks),
    Layer.provide(SystemConditions.layer),
    Layer.provide(SystemState.layer)
  )
