/**
 * Handlers: evidence bundles. Every lookup is inside the customer of the API key.
 */
import { Api } from "@rainlogs/core/api/Api"
import { CurrentCustomer } from "@rainlogs/core/api/Authorization"
import { mostBundlesPerPage } from "@rainlogs/core/api/BundleResource"
import { cutPage, parseCursor, printCursor } from "@rainlogs/core/api/Page"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { BundleFiles } from "@rainlogs/core/bundle/BundleFiles"
import { BundleId } from "@rainlogs/core/bundle/BundleJob"
import { type BundleLimits, BundleStore } from "@rainlogs/core/bundle/BundleStore"
import { Clock, DateTime, Effect, Option, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder, HttpApiSchema } from "effect/http-api"
import { randomUUID } from "node:crypto"
import {
  bundleNotFound,
  bundleResource,
  expired,
  notReady,
  onBundleUnreadable,
  onIdempotencyConflict,
  onTooManyBundles,
  withdrawn
} from "./BundleAnswers.ts"
import * as ByteRanges from "./ByteRanges.ts"
import { onDatabaseError, ownZone } from "./Failures.ts"
import { rangeName } from "./RangeName.ts"

/** A customer may have 4 bundles that wait or run, and 50 with the ready ones. */
export const bundleLimits: BundleLimits = { open: 4, kept: 50 }

/** The `bundles` group of the API. */
export const layer = HttpApiBuilder.group(
  Api,
  "bundles",
  Effect.fn(function*(handlers) {
    const customers = yield* CustomerStore
    const store = yield* BundleStore
    const files = yield* BundleFiles

    const find = Effect.fnUntraced(function*(id: BundleId) {
      const customer = yield* CurrentCustomer
      const found = yield* store.bundle({ customer: customer.id, id }).pipe(
        Effect.catchTag("DatabaseError", onDatabaseError)
      )
      return Option.isNone(found) ? yield* bundleNotFound : found.value
    })

    return handlers.handleAll({
      create: Effect.fn("BundlesHandlers.create")(function*({ headers, payload }) {
        const customer = yield* CurrentCustomer
        yield* ownZone(customers, customer.id, payload.zone)
        const job = yield* store.request(
          {
            id: BundleId.make(randomUUID()),
            customer: customer.id,
            zone: payload.zone,
            range: { from: DateTime.toEpochMillis(payload.from), to: DateTime.toEpochMillis(payload.to) },
            disclose: payload.disclose ?? false,
            idempotencyKey: headers["idempotency-key"] ?? null
          },
          bundleLimits,
          yield* Clock.currentTimeMillis
        ).pipe(
          Effect.catchTags({
            DatabaseError: onDatabaseError,
            TooManyBundles: onTooManyBundles,
            IdempotencyConflict: onIdempotencyConflict
          })
        )
        return HttpApiSchema.withHeaders({
          body: bundleResource(job),
          headers: { location: `/api/v1/bundles/${job.id}` }
        })
      }),

      list: Effect.fn("BundlesHandlers.list")(function*({ query }) {
        const customer = yield* CurrentCustomer
        const limit = query.limit ?? mostBundlesPerPage
        const cursor = query.after === undefined ? null : parseCursor(query.after)
        const after = cursor === null ? null : { createdAt: cursor.time, id: cursor.id }
        const found = yield* store.bundles(customer.id, { limit: limit + 1, after }).pipe(
          Effect.catchTag("DatabaseError", onDatabaseError)
        )
        const { next, shown } = cutPage(found, limit, ({ createdAt, id }) => printCursor(createdAt, id))
        return { bundles: shown.map(bundleResource), next }
      }),

      get: Effect.fn("BundlesHandlers.get")(function*({ params }) {
        return bundleResource(yield* find(params.id))
      }),

      content: Effect.fn("BundlesHandlers.content")(function*({ params, request }) {
        const job = yield* find(params.id)
        if (job.state === "expired") return yield* expired
        if (job.withdrawnBy !== null) return yield* withdrawn(job.withdrawnBy)
        if (job.state !== "ready" || job.file === null) return yield* notReady(job)
        const { bytes, sha256 } = job.file
        const { read } = yield* Effect.catch(files.open(job), onBundleUnreadable(job.id))
        const headers = {
          "content-disposition": `attachment; filename="evidence-${rangeName(job.zone, job.range)}.zip"`,
          "accept-ranges": "bytes",
          etag: `"${sha256}"`
        }
        const condition = request.headers["if-range"]
        const range = condition === undefined || condition === headers.etag
          ? ByteRanges.parse(request.headers["range"], bytes)
          : null
        if (range === "unsatisfiable") {
          return HttpServerResponse.empty({ status: 416, headers: { ...headers, "content-range": `bytes */${bytes}` } })
        }
        const { from, to } = range ?? { from: 0, to: bytes }
        const body = read({ from, to }).pipe(
          Stream.tapError((error) =>
            Effect.logError("the file of a bundle could not be sent to its end", error).pipe(
              Effect.annotateLogs({ bundle: job.id })
            )
          )
        )
        const partial = range === null ? {} : { "content-range": `bytes ${from}-${to - 1}/${bytes}` }
        return HttpServerResponse.stream(body, {
          status: range === null ? 200 : 206,
          contentType: "application/zip",
          contentLength: to - from,
          headers: { ...headers, ...partial }
        })
      }),

      remove: Effect.fn("BundlesHandlers.remove")(function*({ params }) {
        const customer = yield* CurrentCustomer
        const of = { customer: customer.id, id: params.id }
        const removed = yield* store.remove(of).pipe(Effect.catchTag("DatabaseError", onDatabaseError))
        if (!removed) return yield* bundleNotFound
        // The record is gone, so the sweep removes what cannot be removed now, and what a worker still writes.
        yield* Effect.catch(
          files.remove(of),
          (error) =>
            Effect.logWarning("the file of a deleted bundle is still there", error).pipe(
              Effect.annotateLogs({ bundle: params.id })
            )
        )
      })
    })
  })
)
