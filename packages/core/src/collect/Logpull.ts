/**
 * The collection strategy for `cloudflare/logpull/http_requests` (Enterprise zones): a window is one request for the
 * records received in it. A successful answer for a window is final (Cloudflare page «Understanding the basics»), so
 * windows need no overlap.
 */
import { sha256 } from "@rainlogs/verify/Hash"
import { encode } from "@rainlogs/verify/Hex"
import { Cache, Clock, Config, Effect, Exit, Layer, Schema } from "effect"
import { Sha256Hex } from "../domain/Identifier.ts"
import { duration, format, type Window } from "../domain/Window.ts"
import { CloudflareClient } from "./CloudflareClient.ts"
import { CollectionError } from "./CollectionError.ts"
import {
  type Collection,
  type CollectionLimits,
  CollectionStrategy,
  type CollectionTarget
} from "./CollectionStrategy.ts"

/** Settings of the strategy, ms. */
export interface LogpullOptions {
  /** Windows end at least this long before now; Cloudflare serves from 1 min on, its API text says 5. */
  readonly settleMs: number
  /** How long a field list is used. */
  readonly fieldsTtlMs: number
  /** How long a retention flag that is on is believed. */
  readonly retentionTtlMs: number
}

/** 5 min settle, fields read again hourly, the retention flag every 5 min. */
export const defaultLogpullOptions: LogpullOptions = {
  settleMs: 300_000,
  fieldsTtlMs: 3_600_000,
  retentionTtlMs: 300_000
}

/** Cloudflare keeps logs for up to 168 h, ms. */
export const horizonMs = 168 * 3_600_000

/** The longest window of one request, ms. */
export const longestWindowMs = 3_600_000

/** The limits of the source with this settle time (ms). */
export const logpullLimits = (settleMs: number): CollectionLimits => ({
  source: "cloudflare/logpull/http_requests",
  settleMs,
  horizonMs,
  longestWindowMs,
  shortestWindowMs: 1_000
})

/**
 * The collection-parameters document: canonical JSON (sorted keys, no space, ASCII) of what was asked, and its SHA-256.
 * Field names are ASCII by the client's check.
 */
export const parametersOf = (fields: ReadonlyArray<string>): Collection["parameters"] => {
  const json = JSON.stringify({
    dataset: "http_requests",
    fields,
    horizon: horizonMs,
    sample: 1,
    timestamps: "rfc3339"
  })
  return { json, sha256: Sha256Hex.make(encode(sha256(new TextEncoder().encode(json)))) }
}

const settleMs = Config.schema(
  Schema.NumberFromString.pipe(Schema.check(Schema.isInt(), Schema.isGreaterThanOrEqualTo(60_000))),
  "RAINLOGS_LOGPULL_SETTLE_MS"
).pipe(Config.withDefault(defaultLogpullOptions.settleMs))

/** The strategy with these settings. */
export const layerOptions = (options: LogpullOptions): Layer.Layer<CollectionStrategy, never, CloudflareClient> =>
  Layer.effect(CollectionStrategy, Effect.suspend(() => make(options)))

/** The strategy; the settle time is `RAINLOGS_LOGPULL_SETTLE_MS` (ms, at least 60 000). */
export const layer: Layer.Layer<CollectionStrategy, Config.ConfigError, CloudflareClient> = Layer.unwrap(
  Effect.map(Effect.suspend(() => settleMs), (settle) => layerOptions({ ...defaultLogpullOptions, settleMs: settle }))
)

const retentionOff = new CollectionError({
  category: "blocked",
  code: "retention-off",
  detail: "log retention is off for the zone",
  remedy:
    "Turn on log retention for the zone (dashboard or POST /logs/control/retention/flag); it is off by default and applies from then on.",
  retryAfterMs: null
})

const rejectedWindow = (window: Window, why: string): CollectionError =>
  new CollectionError({
    category: "rejected",
    code: "bad-window",
    detail: `the window ${format(window)} ${why}`,
    remedy: "Please report this as a bug.",
    retryAfterMs: null
  })

/** What answers are remembered by: never by the zone alone, or one customer's token would answer for another's. */
type ZoneKey = Pick<CollectionTarget, "cloudflareZone" | "token">

/** Zones remembered at once. */
const capacity = 10_000

const make = Effect.fnUntraced(function*(options: LogpullOptions) {
  const client = yield* CloudflareClient

  const fieldLists = yield* Cache.makeWith((key: ZoneKey) => client.logpullFields(key.token, key.cloudflareZone), {
    capacity,
    timeToLive: (exit) => (Exit.isSuccess(exit) ? options.fieldsTtlMs : 0)
  })

  // Only «on» is remembered: «off» must be seen to end as soon as somebody turns it on.
  const askRetention = Effect.fnUntraced(function*({ cloudflareZone, token }: ZoneKey) {
    // Taken before the question: the answer may be as old as that.
    const at = yield* Clock.currentTimeMillis
    return { at, on: yield* client.logpullRetention(token, cloudflareZone) }
  })
  const retention = yield* Cache.makeWith(askRetention, {
    capacity,
    timeToLive: (exit) => (Exit.isSuccess(exit) && exit.value.on ? options.retentionTtlMs : 0)
  })

  const keyOf = ({ cloudflareZone, token }: CollectionTarget): ZoneKey => ({ cloudflareZone, token })

  const check = Effect.fn("Logpull.check")(function*(target: CollectionTarget) {
    const { at, on } = yield* Cache.get(retention, keyOf(target))
    return on ? at : yield* retentionOff
  })

  const checkWindow = Effect.fnUntraced(function*(window: Window) {
    if (!Number.isSafeInteger(window.from) || !Number.isSafeInteger(window.to) || window.from >= window.to) {
      return yield* rejectedWindow(window, "is not an interval of whole milliseconds")
    }
    if (duration(window) > longestWindowMs) return yield* rejectedWindow(window, "is longer than 1 h")
  })

  const request = Effect.fnUntraced(function*(target: CollectionTarget, window: Window) {
    const fields = yield* Cache.get(fieldLists, keyOf(target))
    const bytes = yield* client.logpullReceived(target.token, target.cloudflareZone, window, fields)
    return { parameters: parametersOf(fields), fidelity: "complete", bytes } satisfies Collection
  })

  const collect = Effect.fn("Logpull.collect")(function*(target: CollectionTarget, window: Window) {
    yield* checkWindow(window)
    yield* check(target)
    const key = keyOf(target)
    return yield* request(target, window).pipe(
      Effect.catchIf(
        (error) => error.code === "unknown-field",
        // Fields change about monthly: the list is read again, once.
        () => Effect.andThen(Cache.invalidate(fieldLists, key), request(target, window))
      ),
      // What the source refuses is not to be answered from memory when it is asked again.
      Effect.tapError(({ category }) =>
        category === "blocked" || category === "unauthorised" ? Cache.invalidate(retention, key) : Effect.void
      )
    )
  })

  return CollectionStrategy.of({ limits: logpullLimits(options.settleMs), check, collect })
})
