/**
 * Handlers: jobs and the log lines of their windows. Every lookup is inside the customer of the API key.
 */
import { Api } from "@rainlogs/core/api/Api"
import { CurrentCustomer } from "@rainlogs/core/api/Authorization"
import { JobNotCommitted, WindowErased } from "@rainlogs/core/api/Problem"
import { Opener } from "@rainlogs/core/archive/Opener"
import { type JobView, WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import type { JobId } from "@rainlogs/core/domain/Identifier"
import type { LogJob } from "@rainlogs/core/domain/LogJob"
import { Effect, Option } from "effect"
import { HttpApiBuilder, HttpApiSchema } from "effect/http-api"
import * as Download from "./Download.ts"
import { jobNotFound, onDatabaseError, onUnreadable } from "./Failures.ts"
import { rangeName } from "./RangeName.ts"
import { jobResource } from "./Resources.ts"

/** The `logs` group of the API. */
export const layer = HttpApiBuilder.group(
  Api,
  "logs",
  Effect.fn(function*(handlers) {
    const windows = yield* WindowLedger
    const opener = yield* Opener

    const find = Effect.fnUntraced(function*(id: JobId) {
      const customer = yield* CurrentCustomer
      const found = yield* windows.job(customer.id, id).pipe(Effect.catchTag("DatabaseError", onDatabaseError))
      return Option.isNone(found) ? yield* jobNotFound : found.value
    })

    return handlers.handleAll({
      job: Effect.fn("LogsHandlers.job")(function*({ params }) {
        return jobResource(yield* find(params.id))
      }),

      download: Effect.fn("LogsHandlers.download")(function*({ params }) {
        const customer = yield* CurrentCustomer
        const view = yield* find(params.id)
        const { job, object } = view
        if (view.erasure !== null && view.erasure.state !== "announced") return yield* erased(view.erasure)
        if (job.state !== "committed" || object === null) return yield* notCommitted(view)
        const body = yield* Download.open({ origin: customer.origin, customer: customer.id, job: job.id, object }).pipe(
          Effect.provideService(Opener, opener),
          Effect.catch(onUnreadable(job.id))
        )
        return HttpApiSchema.withHeaders({
          body,
          headers: {
            "content-disposition": `attachment; filename="${rangeName(job.zone, job.window)}.ndjson"`,
            "content-length": String(object.plainSize),
            etag: `"${object.sha256}"`
          }
        })
      })
    })
  })
)

const erased = ({ executed, id, state, tombstone }: NonNullable<JobView["erasure"]>) =>
  Effect.fail(
    new WindowErased({
      erasure: id,
      tombstone,
      detail: state === "done" && executed !== null
        ? `The window was erased at ${new Date(executed).toISOString()} by the erasure ${id}.`
        : `The window is being erased by the erasure ${id}.`,
      remedy:
        `Nothing brings it back. GET /api/v1/erasures/${id} says why; the tombstone ${tombstone} in the ledger proves it.`
    })
  )

const remedies: { readonly [state in LogJob["state"]]: string } = {
  planned: "Wait, or POST /api/v1/zones/<zone id>/pull; the job shows its last error.",
  leased: "A worker is at it: ask again in a few seconds.",
  stored: "The object is stored, its ledger entry is not yet: ask again in a few seconds.",
  committed: "Ask again.",
  gap: "The window could not be collected; the gap is recorded in the ledger with its reason.",
  split: "The window was cut in two: GET /api/v1/zones/<zone id>/logs shows the shorter ones."
}

const notCommitted = ({ job }: JobView) =>
  Effect.fail(
    new JobNotCommitted({
      state: job.state,
      detail: `The window's job is in state ${job.state}, so there is nothing to download.`,
      remedy: remedies[job.state]
    })
  )
