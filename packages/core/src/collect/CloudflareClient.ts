/**
 * Cloudflare's API as far as Rainlogs uses it. Every method takes the token as `Redacted`; it is in no error, span or
 * log. Sources: Cloudflare pages «Requesting logs», «Enabling log retention», «API rate limits» and the API reference.
 */
import { type Config, Context, Effect, Layer, type Redacted, Schema, type Scope, type Stream } from "effect"
import type { HttpClient } from "effect/http"
import { CloudflareZoneId } from "../domain/Identifier.ts"
import type { Window } from "../domain/Window.ts"
import type { CircuitBreaker } from "../resilience/CircuitBreaker.ts"
import type { RateBudget } from "../resilience/RateBudget.ts"
import { type CloudflareCall, makeCall, outcomeOf, settled, textUpTo, wholeText } from "./CloudflareCall.ts"
import { errorOf, unexpectedAnswer } from "./CloudflareErrors.ts"
import { type CloudflareOptions, cloudflareOptions, warnIfUnprotected } from "./CloudflareOptions.ts"
import { CollectionError } from "./CollectionError.ts"
import { logpullBody } from "./LogpullBody.ts"

type Token = Redacted.Redacted<string>

/** The id of an account: as it may stand in a path. */
const AccountId = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[0-9a-f]{32}$/, { expected: "32 hexadecimal digits" }))
)

/** A zone as Cloudflare describes it. `plan` is Cloudflare's own short name (`free`, `pro`, `business`, `enterprise`). */
export const CloudflareZone = Schema.Struct({
  id: CloudflareZoneId,
  name: Schema.String,
  status: Schema.String,
  /** The account that has the zone. */
  account: Schema.optionalKey(Schema.Struct({ id: AccountId })),
  plan: Schema.optionalKey(Schema.Struct({ legacy_id: Schema.optionalKey(Schema.String) }))
})
export type CloudflareZone = typeof CloudflareZone.Type

/** What `/user/tokens/verify` says. `expires_on` is RFC 3339; absent: the token does not expire. */
export const TokenStatus = Schema.Struct({
  id: Schema.String,
  status: Schema.String,
  not_before: Schema.optionalKey(Schema.NullOr(Schema.String)),
  expires_on: Schema.optionalKey(Schema.NullOr(Schema.String))
})
export type TokenStatus = typeof TokenStatus.Type

const RetentionFlag = Schema.Struct({ flag: Schema.Boolean })

/** Field names of a dataset, as they may stand in a comma list. */
const FieldList = Schema.Record(
  Schema.String.pipe(Schema.check(Schema.isPattern(/^[A-Za-z][A-Za-z0-9_]*$/, { expected: "a field name" }))),
  Schema.String
)

/** JSON answers are small; a larger one is none of Cloudflare's. */
const longestJsonBytes = 4 * 1024 * 1024

/** A GraphQL or audit log answer that is read, bytes: it is held whole, some of them at once. */
const longestAnswerBytes = 32 * 1024 * 1024

const tooLarge = (api: string) =>
  new CollectionError({
    category: "oversize",
    code: "answer-too-large",
    detail: `${api}: the answer is larger than ${longestAnswerBytes / 1024 ** 2} MiB`,
    remedy: "Nothing to do: the window is asked for in parts.",
    retryAfterMs: null
  })

/** Whether a GraphQL answer has errors: `data` is null then, and `errors` a list; both come first or last. */
const hasErrors = (body: string): boolean =>
  /^\s*\{\s*"(?:data"\s*:\s*null|errors"\s*:\s*\[|success"\s*:\s*false)/.test(body) ||
  /"errors"\s*:\s*\[\s*\{[^]{0,65536}$/.test(body.slice(-65_536))

/** The calls Rainlogs makes. */
export class CloudflareClient extends Context.Service<CloudflareClient, {
  /** Whether the token is active, and until when. */
  readonly verifyToken: (token: Token) => Effect.Effect<TokenStatus, CollectionError>
  /** The zone with this id; needs “Zone Read”. */
  readonly zone: (token: Token, zone: CloudflareZoneId) => Effect.Effect<CloudflareZone, CollectionError>
  /** The zones of this exact domain name that the token can see (at most 50); needs “Zone Read”. */
  readonly zonesByName: (token: Token, name: string) => Effect.Effect<ReadonlyArray<CloudflareZone>, CollectionError>
  /** Every field Logpull offers for the zone, sorted by code unit; needs “Logs Read”. */
  readonly logpullFields: (
    token: Token,
    zone: CloudflareZoneId
  ) => Effect.Effect<ReadonlyArray<string>, CollectionError>
  /** Whether Cloudflare keeps the zone's logs for Logpull; needs “Logs Read”. */
  readonly logpullRetention: (token: Token, zone: CloudflareZoneId) => Effect.Effect<boolean, CollectionError>
  /**
   * The records received in the window, NDJSON with `fields` and RFC 3339 timestamps, decompressed; needs “Logs Read”.
   * Succeeds when the response has begun. The stream lives as long as the scope and fails rather than end early.
   */
  readonly logpullReceived: (
    token: Token,
    zone: CloudflareZoneId,
    window: Window,
    fields: ReadonlyArray<string>
  ) => Effect.Effect<Stream.Stream<Uint8Array, CollectionError>, CollectionError, Scope.Scope>
  /**
   * The body of the answer to a GraphQL query about the zone, `api` naming the dataset; needs “Analytics Read”. Fails
   * with what its `errors` say, and with `answer-too-large` above 32 MiB.
   */
  readonly graphql: (
    token: Token,
    zone: CloudflareZoneId,
    api: string,
    query: string
  ) => Effect.Effect<string, CollectionError>
  /**
   * The body of one page of the account's audit log, version 2, `query` as its parameters; needs “Account Settings
   * Read”. Fails above 32 MiB.
   */
  readonly auditLogs: (
    token: Token,
    account: string,
    query: Readonly<Record<string, string>>
  ) => Effect.Effect<string, CollectionError>
}>()("@rainlogs/core/CloudflareClient") {
  /** The client with these settings. */
  static readonly layerOptions = (options: CloudflareOptions): Layer.Layer<CloudflareClient, never, Needs> =>
    Layer.effect(CloudflareClient, make(options))

  /** The client as `RAINLOGS_CLOUDFLARE_*` says. */
  static readonly layer: Layer.Layer<CloudflareClient, Config.ConfigError, Needs> = Layer.unwrap(
    Effect.map(Effect.suspend(() => cloudflareOptions), (options) => CloudflareClient.layerOptions(options))
  )
}

type Needs = HttpClient.HttpClient | RateBudget | CircuitBreaker

const make = Effect.fnUntraced(function*(options: CloudflareOptions) {
  yield* warnIfUnprotected(options)
  const call = yield* makeCall(options)

  /** Makes a call whose whole answer is one JSON text. */
  const json = <A>(request: CloudflareCall, schema: Schema.Codec<A, unknown>): Effect.Effect<A, CollectionError> =>
    Effect.scoped(Effect.gen(function*() {
      const { bytes, permit } = yield* call(request)
      const body = yield* textUpTo(longestJsonBytes)(settled(permit)(bytes))
      return yield* Schema.decodeEffect(Schema.fromJsonString(schema))(body).pipe(
        Effect.catchTag("SchemaError", () =>
          // A refusal with status 200, or an answer that is none.
          Effect.fail(
            /"success"\s*:\s*false/.test(body)
              ? errorOf({ status: 200, contentType: "application/json", body, retryAfterMs: null }, request)
              : unexpectedAnswer(request.api)
          ))
      )
    }))

  const result = <A>(request: CloudflareCall, schema: Schema.Codec<A, unknown>): Effect.Effect<A, CollectionError> =>
    Effect.map(
      json(request, Schema.Struct({ success: Schema.Literal(true), result: schema })),
      (envelope) => envelope.result
    )

  const ofZone = (token: Token, zone: CloudflareZoneId, api: string): CloudflareCall => ({
    api,
    zone,
    path: `/zones/${zone}/${api}`,
    query: {},
    family: "logpull",
    permission: "Logs Read",
    token
  })

  const verifyToken = Effect.fn("CloudflareClient.verifyToken")((token: Token) =>
    result({
      api: "user/tokens/verify",
      zone: null,
      path: "/user/tokens/verify",
      query: {},
      family: "api",
      permission: null,
      token
    }, TokenStatus)
  )

  const zoneRead = (token: Token, zone: CloudflareZoneId | null, path: string): CloudflareCall => ({
    api: "zones",
    zone,
    path,
    query: {},
    family: "api",
    permission: "Zone Read",
    token
  })

  const zone = Effect.fn("CloudflareClient.zone")((token: Token, id: CloudflareZoneId) =>
    result(zoneRead(token, id, `/zones/${id}`), CloudflareZone)
  )

  const zonesByName = Effect.fn("CloudflareClient.zonesByName")((token: Token, name: string) =>
    result(
      { ...zoneRead(token, null, "/zones"), query: { name, per_page: "50" } },
      Schema.Array(CloudflareZone)
    )
  )

  const logpullFields = Effect.fn("CloudflareClient.logpullFields")(function*(token: Token, id: CloudflareZoneId) {
    const request = ofZone(token, id, "logs/received/fields")
    const names = Object.keys(yield* json(request, FieldList)).sort()
    return names.length === 0 ? yield* unexpectedAnswer(request.api) : names
  })

  const logpullRetention = Effect.fn("CloudflareClient.logpullRetention")((token: Token, id: CloudflareZoneId) =>
    Effect.map(result(ofZone(token, id, "logs/control/retention/flag"), RetentionFlag), ({ flag }) => flag)
  )

  const logpullReceived = Effect.fn("CloudflareClient.logpullReceived")(function*(
    token: Token,
    id: CloudflareZoneId,
    window: Window,
    fields: ReadonlyArray<string>
  ) {
    const { bytes, permit } = yield* call({
      ...ofZone(token, id, "logs/received"),
      // RFC 3339 carries milliseconds; `count`, `sample` and the CVE rewriting are never asked for.
      query: {
        start: new Date(window.from).toISOString(),
        end: new Date(window.to).toISOString(),
        timestamps: "rfc3339",
        fields: fields.join(",")
      }
    })
    return settled(permit)(logpullBody(bytes))
  })

  const graphql = Effect.fn("CloudflareClient.graphql")((
    token: Token,
    id: CloudflareZoneId,
    api: string,
    query: string
  ) => {
    const request: CloudflareCall = {
      api,
      zone: id,
      path: "/graphql",
      query: {},
      body: JSON.stringify({ query }),
      family: "graphql",
      permission: "Analytics Read",
      token
    }
    return Effect.scoped(Effect.gen(function*() {
      const { bytes, pause, permit } = yield* call(request)
      const body = yield* wholeText(longestAnswerBytes)(bytes).pipe(
        Effect.tapError((error) => permit.settle(outcomeOf(error), error.retryAfterMs))
      )
      if (body === undefined) {
        yield* permit.settle("success")
        return yield* tooLarge(api)
      }
      if (!hasErrors(body)) {
        yield* permit.settle("success")
        return body
      }
      const answer = { status: 200, contentType: "application/json", body: body.slice(0, 16_384), retryAfterMs: null }
      const said = errorOf(answer, request)
      const error = said.category === "throttled" ? errorOf({ ...answer, retryAfterMs: yield* pause }, request) : said
      yield* permit.settle(outcomeOf(error), error.retryAfterMs)
      return yield* error
    }))
  })

  const auditLogs = Effect.fn("CloudflareClient.auditLogs")((
    token: Token,
    account: string,
    query: Readonly<Record<string, string>>
  ) =>
    Effect.scoped(Effect.gen(function*() {
      const { bytes, permit } = yield* call({
        api: "accounts/logs/audit",
        zone: null,
        path: `/accounts/${account}/logs/audit`,
        query,
        family: "api",
        permission: "Account Settings Read",
        token
      })
      return (yield* wholeText(longestAnswerBytes)(settled(permit)(bytes))) ?? (yield* tooLarge("accounts/logs/audit"))
    }))
  )

  return CloudflareClient.of({
    auditLogs,
    graphql,
    verifyToken,
    zone,
    zonesByName,
    logpullFields,
    logpullRetention,
    logpullReceived
  })
})
