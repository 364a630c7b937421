/**
 * `GET /ledger/<customer id>/…`: the files of a customer's ledger (ledger format §4) for everybody, so that an auditor
 * can verify it as it is now. And `GET /.well-known/rainlogs/<customer id>/keys`: the public keys it is signed with.
 *
 * Both are closed unless `RAINLOGS_PUBLIC_LEDGER` is `on`. Log objects and their keys are never served here; nothing is
 * listed. A ledger names zones by their ids and holds no log line.
 */
import {
  type DatabaseUnavailable,
  type KeysUnavailable,
  LedgerFileNotFound,
  type StorageUnavailable
} from "@rainlogs/core/api/Problem"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import type { Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId } from "@rainlogs/core/domain/Identifier"
import { Signer } from "@rainlogs/core/ledger/Signer"
import { ObjectStore } from "@rainlogs/core/storage/ObjectStore"
import { checkpointKey, ledgerKey } from "@rainlogs/verify/Layout"
import { isPermanent, type LedgerPath, parseLedgerPath } from "@rainlogs/verify/LedgerPath"
import { Cache, Config, Effect, Exit, Layer, Option } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerRespondable, HttpServerResponse } from "effect/http"
import { createHash } from "node:crypto"
import { keysUnavailable, onDatabaseError, onSignerUnavailable, onStorageError } from "./Failures.ts"
import { signedBy } from "./LedgerKeys.ts"

/** `RAINLOGS_PUBLIC_LEDGER`: `on` or `off`, the default. */
export const publicLedger = Config.Literals(["on", "off"], "RAINLOGS_PUBLIC_LEDGER").pipe(
  Config.withDefault("off" as const)
)

/** Files up to this size are read whole before the answer starts, so that it can still be a 404; in bytes. */
const wholeBytes = 1024 * 1024
/** Origins remembered, so that a reader of a large ledger costs one query; they never change. */
const rememberedOrigins = 1000

type Problem = LedgerFileNotFound | DatabaseUnavailable | KeysUnavailable | StorageUnavailable

/** Matched against the path as it was sent, not decoded: no other spelling of a path is answered. */
const ledgerUrl = /^\/ledger\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/([A-Za-z0-9./-]{1,200})$/
const keysUrl = /^\/\.well-known\/rainlogs\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/keys$/

/** Adds the routes, or none. */
export const layer = Layer.unwrap(Effect.gen(function*() {
  if ((yield* publicLedger) === "off") return Layer.empty
  const customers = yield* CustomerStore
  const objects = yield* ObjectStore
  const signer = yield* Signer

  const origins = yield* Cache.makeWith(
    (id: CustomerId) => Effect.map(customers.customer(id), Option.map(({ origin }) => origin)),
    {
      capacity: rememberedOrigins,
      timeToLive: (exit) => Exit.isSuccess(exit) && Option.isSome(exit.value) ? "1 minute" : 0
    }
  )
  const originOf = Effect.fnUntraced(function*(id: string) {
    const found = yield* Cache.get(origins, CustomerId.make(id)).pipe(
      Effect.catchTag("DatabaseError", onDatabaseError)
    )
    return Option.isNone(found) ? yield* notFound : found.value
  })
  const whole = (key: string) =>
    objects.getBytes(key).pipe(
      Effect.catchTags({ ObjectMissing: () => notFound, StorageError: onStorageError })
    )

  const file = Effect.fn("PublicLedger.file")(function*(request: HttpServerRequest.HttpServerRequest) {
    const [, customer = "", path = ""] = ledgerUrl.exec(request.url) ?? []
    const known = parseLedgerPath(path)
    if (known === null) return yield* notFound
    const key = ledgerKey(yield* originOf(customer), path)
    const { size } = yield* objects.head(key).pipe(
      Effect.catchTags({ ObjectMissing: () => notFound, StorageError: onStorageError })
    )
    const common = { contentType: contentType(known), headers: { "cache-control": caching(known) } }
    if (size > wholeBytes) {
      const body = objects.get(key)
      return HttpServerResponse.stream(body, { ...common, contentLength: size })
    }
    const bytes = yield* whole(key)
    const etag = `"${createHash("sha256").update(bytes).digest("hex")}"`
    const headers = { ...common.headers, etag }
    return isKnownTo(request, etag)
      ? HttpServerResponse.empty({ status: 304, headers })
      : HttpServerResponse.uint8Array(bytes, { ...common, headers })
  })

  const keys = Effect.fn("PublicLedger.keys")(function*(request: HttpServerRequest.HttpServerRequest) {
    const [, customer] = keysUrl.exec(request.url) ?? []
    if (customer === undefined) return yield* notFound
    const origin: Origin = yield* originOf(customer)
    // The signer makes keys where there are none, and a reader must not be the cause of that: only a published ledger
    // is asked about, and only the key that signed it is shown.
    const checkpoint = yield* whole(checkpointKey(origin))
    const { clock, log } = yield* signer.keys(origin).pipe(Effect.catchTag("SignerUnavailable", onSignerUnavailable))
    if (!signedBy(checkpoint, log)) {
      return yield* Effect.fail(keysUnavailable("The signer holds another key than the one the ledger is signed with."))
    }
    return yield* Effect.orDie(
      HttpServerResponse.json({ origin, log, clock, ledger: `/ledger/${customer}` }, {
        headers: { "cache-control": shortly }
      })
    )
  })

  return Layer.mergeAll(
    HttpRouter.add("GET", "/ledger/*", respond(file)),
    HttpRouter.add("GET", "/.well-known/rainlogs/*", respond(keys))
  )
}))

/** Any page may read the answer, a refusal as well: there are no credentials here that could be abused. */
const respond = (
  answer: (
    request: HttpServerRequest.HttpServerRequest
  ) => Effect.Effect<HttpServerResponse.HttpServerResponse, Problem>
) =>
  Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const response = yield* answer(request).pipe(
      Effect.catch((problem) => HttpServerRespondable.toResponse(problem))
    )
    return HttpServerResponse.setHeaders(response, {
      "access-control-allow-origin": "*",
      "access-control-expose-headers": "etag, retry-after"
    })
  })

const shortly = "public, max-age=10"

const caching = (path: LedgerPath): string => {
  if (isPermanent(path)) return "public, max-age=31536000, immutable"
  // Ten seconds of a partial tile are no risk: its bytes never change, it only goes.
  return shortly
}

const contentType = (path: LedgerPath): string => {
  if (path.kind === "checkpoint" || path.kind === "archived-checkpoint") return "text/plain; charset=utf-8"
  return "application/octet-stream"
}

/** RFC 9110 §13.1.2. */
const isKnownTo = (request: HttpServerRequest.HttpServerRequest, etag: string): boolean => {
  const known = request.headers["if-none-match"]
  return known !== undefined && known.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag)
}

const notFound = Effect.suspend(() =>
  Effect.fail(
    new LedgerFileNotFound({
      detail: "There is no such ledger here, or it has no such file.",
      remedy: "GET /ledger/<customer id>/checkpoint shows a ledger's state, from which its files follow."
    })
  )
)
