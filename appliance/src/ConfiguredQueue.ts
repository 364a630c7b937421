/**
 * What hands windows to workers, as `RAINLOGS_QUEUE` says.
 */
import { JobQueue } from "@rainlogs/core/archive/JobQueue"
import * as JobQueueBull from "@rainlogs/server/queue/JobQueueBull"
import { Config, Effect, Layer, Option, Redacted, Schema } from "effect"

/** The queue's setting cannot be used. The value is not repeated: it holds a password. */
export class QueueSettingInvalid extends Schema.TaggedError<QueueSettingInvalid>()("QueueSettingInvalid", {
  detail: Schema.String
}) {
  override get message(): string {
    return `RAINLOGS_REDIS_URL cannot be used: ${this.detail}.`
  }
}

/** The queue in this process, or one on Redis. */
export const layer = Layer.unwrap(Effect.gen(function*() {
  const kind = yield* Config.Literals(["embedded", "bullmq"], "RAINLOGS_QUEUE").pipe(
    Config.withDefault("embedded" as const)
  )
  if (kind === "embedded") return JobQueue.layerMemory
  const url = yield* Config.option(Config.Redacted("RAINLOGS_REDIS_URL"))
  if (Option.isNone(url)) return yield* new QueueSettingInvalid({ detail: "RAINLOGS_QUEUE=bullmq needs it" })
  const text = Redacted.value(url.value)
  if (!/^rediss?:\/\/.+/.test(text) || !URL.canParse(text)) {
    return yield* new QueueSettingInvalid({
      detail: "it must be a URL such as rediss://user:password@redis.example:6379"
    })
  }
  return JobQueueBull.layer({ url: url.value })
}))
