/**
 * How a window of a GraphQL dataset is collected. There is no cursor: a range is halved until its rows fit on a page.
 * Times are whole seconds, so halves on whole seconds neither share a row nor lose one, and rows that are alike in
 * every field stay as many as they are. A second too full for a page becomes a window of its own, kept as far as it
 * can be read, `partial`, with the number there was in its parameters document.
 *
 * A window is read once, when it is `settleMs` old: rows come in late and never go away, so one late read sees all that
 * an early one and its repetition would, and there is nothing to merge.
 */
import { sha256 } from "@rainlogs/verify/Hash"
import { encode } from "@rainlogs/verify/Hex"
import { Cache, Clock, Config, Effect, Exit, Layer, Schema, Stream } from "effect"
import { Sha256Hex } from "../domain/Identifier.ts"
import type { SourceName } from "../domain/Source.ts"
import { format, type Window } from "../domain/Window.ts"
import { CloudflareClient } from "./CloudflareClient.ts"
import { CollectionError } from "./CollectionError.ts"
import { type Collection, CollectionStrategy, type CollectionTarget } from "./CollectionStrategy.ts"
import { type Count, makeRead, type Page } from "./GraphqlRead.ts"
import { type GraphqlDataset, type GraphqlSettings, selection } from "./GraphqlSettings.ts"

/** A dataset as a source. */
export interface GraphqlSource extends GraphqlDataset {
  readonly source: SourceName
  /** The longest that any plan reads back, ms; what a zone may is in its settings. */
  readonly horizonMs: number
  /** Where the sample interval is: in each row, or only in the average of a count. */
  readonly sampleInterval: "in-rows" | "in-count"
}

/** Settings of the strategies, ms. */
export interface GraphqlOptions {
  /** Windows end at least this long before now. */
  readonly settleMs: number
  /** How long a zone's settings are believed. */
  readonly settingsTtlMs: number
}

/**
 * 15 min settle: the 5 min Cloudflare's own exporter waits, and 10 min that this machine's clock may be ahead. The
 * settings are read again every hour.
 */
export const defaultGraphqlOptions: GraphqlOptions = { settleMs: 900_000, settingsTtlMs: 3_600_000 }

/** `RAINLOGS_GRAPHQL_SETTLE_MS`, ms, at least 300 000. */
export const graphqlSettleMs = Config.schema(
  Schema.NumberFromString.pipe(Schema.check(Schema.isInt(), Schema.isGreaterThanOrEqualTo(300_000))),
  "RAINLOGS_GRAPHQL_SETTLE_MS"
).pipe(Config.withDefault(defaultGraphqlOptions.settleMs))

const secondMs = 1000

/** A window's whole seconds: a row of second s is in the window just if it is in these. */
const wholeSeconds = ({ from, to }: Window): Window => ({
  from: Math.ceil(from / secondMs) * secondMs,
  to: Math.ceil(to / secondMs) * secondMs
})

const failure = (
  category: CollectionError["category"],
  code: string,
  detail: string,
  remedy: string
): CollectionError => new CollectionError({ category, code, detail, remedy, retryAfterMs: null })

const encoder = new TextEncoder()

const linesOf = ({ rows }: Page): Stream.Stream<Uint8Array> =>
  rows.length === 0 ? Stream.empty : Stream.make(encoder.encode(`${rows.join("\n")}\n`))

/** The parameters document: canonical JSON of what was asked, and of what the source said it could not give. */
const parametersOf = (facts: {
  readonly dataset: string
  readonly fields: ReadonlyArray<string>
  readonly horizon: number
  readonly overflow?: Count & { readonly returned: number }
  readonly sampleInterval?: number
}): Collection["parameters"] => {
  const { dataset, fields, horizon, overflow, sampleInterval } = facts
  const json = JSON.stringify({
    dataset,
    fields,
    horizon,
    ...(overflow === undefined
      ? {}
      : {
        overflow: { counted: overflow.counted, returned: overflow.returned, sampleInterval: overflow.sampleInterval }
      }),
    ...(sampleInterval === undefined ? {} : { sampleInterval })
  })
  return { json, sha256: Sha256Hex.make(encode(sha256(encoder.encode(json)))) }
}

/** Zones remembered at once. */
const capacity = 10_000

/** Codes that say the remembered settings are not the zone's any more. */
const stale: ReadonlySet<string> = new Set(["unknown-field", "settings-changed", "beyond-reach", "not-entitled"])

/** The strategy of a source. */
export const makeGraphql = Effect.fnUntraced(function*(source: GraphqlSource, options: GraphqlOptions) {
  const client = yield* CloudflareClient
  const read = makeRead(client, source)

  type Key = Pick<CollectionTarget, "cloudflareZone" | "token">
  const ask = Effect.fnUntraced(function*(key: Key) {
    // Taken before the question: the answer may be as old as that.
    const at = yield* Clock.currentTimeMillis
    return { at, settings: yield* read.settings(key) }
  })
  const known = yield* Cache.makeWith(ask, {
    capacity,
    timeToLive: (exit) => (Exit.isSuccess(exit) && exit.value.settings.enabled ? options.settingsTtlMs : 0)
  })
  const keyOf = ({ cloudflareZone, token }: CollectionTarget): Key => ({ cloudflareZone, token })

  const usable = Effect.fnUntraced(function*(target: CollectionTarget) {
    const answer = yield* Cache.get(known, keyOf(target))
    return answer.settings.enabled ? answer : yield* failure(
      "blocked",
      "not-entitled",
      `${source.api}: the dataset is not enabled for the zone`,
      "Choose another source for this zone, or a plan that includes it."
    )
  })

  const pageOf = (target: CollectionTarget, settings: GraphqlSettings, range: Window, limit = settings.maxPageSize) =>
    read.page(keyOf(target), selection(source, settings), { fromMs: range.from, toMs: range.to, limit }).pipe(
      Effect.tapError(({ code }) => stale.has(code) ? Cache.invalidate(known, keyOf(target)) : Effect.void)
    )

  type Read = (range: Window) => Effect.Effect<Page, CollectionError>

  /** Both halves of a range whose page is full, each read when it is its turn. */
  const halves = (read: Read, range: Window): Stream.Stream<Uint8Array, CollectionError> => {
    if (range.to - range.from <= secondMs) {
      return Stream.fail(
        failure(
          "oversize",
          "second-full",
          `${source.api}: one second of ${format(range)} has more rows than a page`,
          "Nothing to do: the second becomes a window of its own."
        )
      )
    }
    const middle = range.from + Math.floor((range.to - range.from) / 2 / secondMs) * secondMs
    const part = (half: Window) =>
      Stream.unwrap(Effect.map(read(half), (page) => page.full ? halves(read, half) : linesOf(page)))
    return Stream.concat(
      part({ from: range.from, to: middle }),
      Stream.suspend(() => part({ from: middle, to: range.to }))
    )
  }

  /** As much of a full second as one answer holds; fewer rows are asked for while the answer is too large to read. */
  const mostOf = Effect.fnUntraced(function*(target: CollectionTarget, settings: GraphqlSettings, second: Window) {
    for (let limit = settings.maxPageSize; limit >= 1; limit = Math.floor(limit / 2)) {
      const page = yield* pageOf(target, settings, second, limit)
      if (page.rows.length > 0 || !page.full) return page
    }
    return { rows: [], full: true } satisfies Page
  })

  const request = Effect.fnUntraced(function*(target: CollectionTarget, window: Window): Effect.fn.Return<
    Collection,
    CollectionError
  > {
    const { settings } = yield* usable(target)
    const horizon = settings.notOlderThan * 1000
    const fields = selection(source, settings)
    const asked = { dataset: source.name, fields, horizon }
    const range = wholeSeconds(window)
    if (range.from >= range.to) {
      return { parameters: parametersOf(asked), fidelity: "sampled", bytes: Stream.empty }
    }
    if (window.from < (yield* Clock.currentTimeMillis) - horizon) {
      return yield* failure(
        "expired",
        "beyond-reach",
        `${source.api}: the window is older than the ${settings.notOlderThan / 3600} h this zone can read back`,
        "The window cannot be collected any more; it becomes a gap."
      )
    }
    const first = yield* pageOf(target, settings, range)
    if (first.full && range.to - range.from === secondMs) {
      const page = first.rows.length > 0 ? first : yield* mostOf(target, settings, range)
      const count = yield* read.count(keyOf(target), range.from, range.to)
      // A page that is exactly full has lost nothing.
      const returned = page.rows.length
      const lost = count.counted > returned * count.sampleInterval
      return {
        parameters: parametersOf(lost ? { ...asked, overflow: { ...count, returned } } : asked),
        fidelity: lost ? "partial" : "sampled",
        bytes: linesOf(page)
      }
    }
    const sampleInterval = source.sampleInterval === "in-rows" || (first.rows.length === 0 && !first.full)
      ? {}
      : { sampleInterval: (yield* read.count(keyOf(target), range.from, range.to)).sampleInterval }
    return {
      parameters: parametersOf({ ...asked, ...sampleInterval }),
      // Cloudflare says of these datasets that they are no complete record, whatever the sample interval.
      fidelity: "sampled",
      bytes: first.full ? halves((half) => pageOf(target, settings, half), range) : linesOf(first)
    }
  })

  return CollectionStrategy.of({
    limits: {
      source: source.source,
      settleMs: options.settleMs,
      horizonMs: source.horizonMs,
      longestWindowMs: 3_600_000,
      shortestWindowMs: secondMs
    },
    check: Effect.fn("Graphql.check")((target: CollectionTarget) => Effect.map(usable(target), ({ at }) => at)),
    collect: Effect.fn("Graphql.collect")((target: CollectionTarget, window: Window) =>
      request(target, window).pipe(
        // Fields and limits change: the settings are read again, once.
        Effect.catchIf(
          ({ code }) => code === "unknown-field" || code === "settings-changed",
          () => request(target, window)
        )
      )
    )
  })
})

/** The layer of a source with these settings. */
export const layerOf = (
  source: GraphqlSource,
  options: GraphqlOptions
): Layer.Layer<CollectionStrategy, never, CloudflareClient> =>
  Layer.effect(CollectionStrategy, makeGraphql(source, options))

/** The layer of a source with the settle time of the configuration. */
export const layerConfigured = (
  source: GraphqlSource
): Layer.Layer<CollectionStrategy, Config.ConfigError, CloudflareClient> =>
  Layer.unwrap(
    Effect.map(Effect.suspend(() => graphqlSettleMs), (settleMs) =>
      layerOf(source, { ...defaultGraphqlOptions, settleMs }))
  )
