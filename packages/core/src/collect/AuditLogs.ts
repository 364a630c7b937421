/**
 * The collection strategy for `cloudflare/audit_logs/v2`: who changed what in the zone's account, on every plan
 * (Cloudflare page «Audit logs», API reference `GET /accounts/{id}/logs/audit`). A window is read page by page to the
 * end of its cursor, oldest first.
 */
import { sha256 } from "@rainlogs/verify/Hash"
import { encode } from "@rainlogs/verify/Hex"
import { Cache, Clock, Config, Effect, Exit, Layer, Option, Schema, Stream } from "effect"
import { Sha256Hex } from "../domain/Identifier.ts"
import { format, type Window } from "../domain/Window.ts"
import { CloudflareClient } from "./CloudflareClient.ts"
import { unexpectedAnswer } from "./CloudflareErrors.ts"
import { CollectionError } from "./CollectionError.ts"
import { type Collection, CollectionStrategy, type CollectionTarget } from "./CollectionStrategy.ts"
import { listTexts } from "./GraphqlBody.ts"

/** Settings of the strategy, ms. */
export interface AuditLogsOptions {
  /** Windows end at least this long before now. */
  readonly settleMs: number
}

/** 15 min: Cloudflare does not say how late an entry may come. */
export const defaultAuditLogsOptions: AuditLogsOptions = { settleMs: 900_000 }

/** When version 2 became generally available; older entries are in version 1 only. Unix ms. */
export const auditLogsSince = Date.UTC(2026, 2, 10)

/** 18 months of 30 days, ms. */
const horizonMs = 540 * 86_400_000

/** Entries of one page. */
const pageSize = 1000

/** How far around the window is asked: whether the API counts a bound in or out is left open by its pages. */
const marginMs = 1000

/** How long it is believed which account the zone has and that its audit log may be read, ms. */
const accountTtlMs = 300_000

const Page = Schema.fromJsonString(Schema.Struct({
  success: Schema.Literal(true),
  result: Schema.Array(Schema.Struct({ id: Schema.NonEmptyString, action: Schema.Struct({ time: Schema.String }) })),
  result_info: Schema.optionalKey(Schema.Struct({ cursor: Schema.optionalKey(Schema.NullOr(Schema.String)) }))
}))

const failure = (category: CollectionError["category"], code: string, detail: string, remedy: string | null) =>
  new CollectionError({ category, code, detail, remedy, retryAfterMs: null })

const malformed = (detail: string) => failure("malformed", "unexpected-answer", `logs/audit: ${detail}`, null)

const parameters: Collection["parameters"] = (() => {
  const json = JSON.stringify({ dataset: "audit_logs_v2", horizon: horizonMs })
  return { json, sha256: Sha256Hex.make(encode(sha256(new TextEncoder().encode(json)))) }
})()

const encoder = new TextEncoder()

const make = Effect.fnUntraced(function*(options: AuditLogsOptions) {
  const client = yield* CloudflareClient

  type Key = Pick<CollectionTarget, "cloudflareZone" | "token">
  const ask = Effect.fnUntraced(function*({ cloudflareZone, token }: Key) {
    const at = yield* Clock.currentTimeMillis
    const { account } = yield* client.zone(token, cloudflareZone)
    if (account === undefined) return yield* malformed("the zone names no account")
    // The right to read the zone is not the right to read the account: one entry is asked for.
    yield* client.auditLogs(token, account.id, {
      since: new Date(at - 3_600_000).toISOString(),
      before: new Date(at).toISOString(),
      limit: "1"
    })
    return { at, account: account.id }
  })
  const accounts = yield* Cache.makeWith(ask, {
    capacity: 10_000,
    timeToLive: (exit) => (Exit.isSuccess(exit) ? accountTtlMs : 0)
  })
  const keyOf = ({ cloudflareZone, token }: CollectionTarget): Key => ({ cloudflareZone, token })
  const accountOf = (target: CollectionTarget) => Cache.get(accounts, keyOf(target))

  /** The lines of one page that are in the window and new, and the cursor of the next page. */
  const page = Effect.fnUntraced(function*(
    target: CollectionTarget,
    account: string,
    window: Window,
    cursor: string | null,
    seen: Set<string>
  ) {
    const body = yield* client.auditLogs(target.token, account, {
      since: new Date(window.from - marginMs).toISOString(),
      before: new Date(window.to + marginMs).toISOString(),
      direction: "asc",
      limit: String(pageSize),
      ...(cursor === null ? {} : { cursor })
    }).pipe(
      Effect.tapError(({ category }) =>
        category === "unauthorised" || category === "blocked" ? Cache.invalidate(accounts, keyOf(target)) : Effect.void
      )
    )
    const decoded = Schema.decodeUnknownOption(Page)(body)
    if (Option.isNone(decoded)) return yield* unexpectedAnswer("logs/audit")
    const texts = listTexts(body, "result", 2)
    const { result, result_info } = decoded.value
    let lines = ""
    for (const [index, { action, id }] of result.entries()) {
      const at = Date.parse(action.time)
      if (!Number.isFinite(at)) return yield* malformed("an entry has no time")
      if (at < window.from || at >= window.to || seen.has(id)) continue
      seen.add(id)
      lines += `${texts[index]}\n`
    }
    const next = result_info?.cursor ?? ""
    return { lines, next: next === "" || result.length === 0 ? null : next }
  })

  const pages = (
    target: CollectionTarget,
    account: string,
    window: Window
  ): Stream.Stream<Uint8Array, CollectionError> => {
    const seen = new Set<string>()
    const cursors = new Set<string>()
    const from = (cursor: string | null): Stream.Stream<Uint8Array, CollectionError> =>
      Stream.unwrap(Effect.gen(function*() {
        const { lines, next } = yield* page(target, account, window, cursor, seen)
        const here = lines === "" ? Stream.empty : Stream.make(encoder.encode(lines))
        if (next === null) return here
        // A cursor that comes back would be followed for ever.
        if (cursors.has(next)) return yield* malformed("a cursor came twice")
        cursors.add(next)
        return Stream.concat(here, Stream.suspend(() => from(next)))
      }))
    return Stream.suspend(() => from(null))
  }

  const collect = Effect.fn("AuditLogs.collect")(function*(target: CollectionTarget, window: Window) {
    if (window.from < auditLogsSince) {
      return yield* failure(
        "expired",
        "beyond-reach",
        `logs/audit: ${format(window)} is older than version 2 of the audit log`,
        "The window cannot be collected from this source; it becomes a gap."
      )
    }
    const { account } = yield* accountOf(target)
    return { parameters, fidelity: "complete", bytes: pages(target, account, window) } satisfies Collection
  })

  return CollectionStrategy.of({
    limits: {
      source: "cloudflare/audit_logs/v2",
      settleMs: options.settleMs,
      horizonMs,
      longestWindowMs: 3_600_000,
      shortestWindowMs: 1_000
    },
    check: Effect.fn("AuditLogs.check")((target: CollectionTarget) => Effect.map(accountOf(target), ({ at }) => at)),
    collect
  })
})

/** The strategy with these settings. */
export const layerOptions = (options: AuditLogsOptions): Layer.Layer<CollectionStrategy, never, CloudflareClient> =>
  Layer.effect(CollectionStrategy, make(options))

const settleMs = Config.schema(
  Schema.NumberFromString.pipe(Schema.check(Schema.isInt(), Schema.isGreaterThanOrEqualTo(300_000))),
  "RAINLOGS_AUDIT_LOGS_SETTLE_MS"
).pipe(Config.withDefault(defaultAuditLogsOptions.settleMs))

/** The strategy; the settle time is `RAINLOGS_AUDIT_LOGS_SETTLE_MS` (ms, at least 300 000). */
export const layer: Layer.Layer<CollectionStrategy, Config.ConfigError, CloudflareClient> = Layer.unwrap(
  Effect.map(Effect.suspend(() => settleMs), (settle) => layerOptions({ settleMs: settle }))
)
