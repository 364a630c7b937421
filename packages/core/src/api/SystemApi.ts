/**
 * Contract: is this Rainlogs alive. No credentials, and nothing that tells one customer from another.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { SourceName } from "../domain/Source.ts"
import { Instant } from "./Instant.ts"
import { DatabaseUnavailable } from "./Problem.ts"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** How far the published checkpoints are behind the ledgers, over all customers. */
export const LedgerHealth = Schema.Struct({
  count: Count.annotate({ description: "Ledgers." }),
  unpublishedEntries: Count.annotate({ description: "Entries that are not yet under a published checkpoint." }),
  longestLagMs: Schema.Finite.annotate({ description: "How long the oldest unpublished entry waits; 0 if none does." }),
  halted: Count.annotate({ description: "Ledgers for which signing stopped because tiles, SQL and signer disagree." })
}).annotate({ identifier: "LedgerHealth" })
export type LedgerHealth = typeof LedgerHealth.Type

/** How the anchors are doing, over all customers. */
export const AnchorsHealth = Schema.Struct({
  configured: Count.annotate({ description: "Anchors; with none, nothing outside the archive attests its time." }),
  failing: Count.annotate({ description: "Anchors that failed and have given no receipt since." }),
  overdueLedgers: Count.annotate({
    description: "Ledgers that have waited for an anchor for longer than their policy's `anchor-lag`."
  }),
  trustedDebtMs: Schema.NullOr(Schema.Finite).annotate({
    description: "How long the oldest entry waits for a trusted time; 0 if none does, null if no anchor gives one."
  })
}).annotate({ identifier: "AnchorsHealth" })
export type AnchorsHealth = typeof AnchorsHealth.Type

/** What `GET /health` says. Times in ms, counts over all customers. */
export const Health = Schema.Struct({
  status: Schema.Literals(["ok", "attention"]).annotate({
    description:
      "`attention`: a zone is blocked or degraded, a ledger is halted, lags by more than ten minutes, or cannot be read, or " +
      "its anchors are overdue."
  }),
  version: Schema.String,
  database: Schema.Struct({
    latencyMs: Schema.Finite.annotate({ description: "How long the database took to answer." })
  }),
  ledgers: Schema.NullOr(LedgerHealth).annotate({
    description: "Null if the published checkpoints could not be read in time."
  }),
  anchors: AnchorsHealth,
  zones: Schema.Struct({
    active: Count,
    degraded: Count.annotate({ description: "Zones of whose sources some, not all, are blocked." }),
    blocked: Count
  }),
  queue: Schema.Struct({ waiting: Count.annotate({ description: "Jobs waiting for a worker." }) }),
  circuits: Schema.Struct({
    open: Count.annotate({ description: "Circuit breakers of this process that let no call through, or only a probe." })
  }),
  uptimeMs: Schema.Finite
}).annotate({ identifier: "Health" })
export type Health = typeof Health.Type

/** What `GET /health/worker` says: how collection is doing, over all customers. Times in ms. */
export const WorkerHealth = Schema.Struct({
  status: Schema.Literals(["ok", "attention"]).annotate({
    description: "`attention`: a source is blocked or at risk, or a circuit breaker is open."
  }),
  lagMs: Schema.NullOr(Schema.Finite).annotate({
    description: "Age of the start of the oldest window that is neither archived nor a gap; 0 if there is none, null " +
      "if the database did not say."
  }),
  oldestUncommitted: Schema.NullOr(Schema.Struct({ source: SourceName, start: Instant })).annotate({
    description: "The oldest such window; null if there is none."
  }),
  hoursToLoss: Schema.NullOr(Schema.Finite).annotate({
    description: "Hours until the first source forgets a record that is not collected; null if none can."
  }),
  sources: Schema.NullOr(Schema.Struct({ active: Count, blocked: Count })),
  windows: Schema.NullOr(
    Schema.Struct({ planned: Count, leased: Count, stored: Count, committed: Count, gap: Count, split: Count })
  ),
  attempts: Schema.Struct({ committed: Count, retried: Count, split: Count, blocked: Count, lost: Count }).annotate({
    description: "How the attempts of this process ended since it started."
  }),
  queue: Schema.Struct({ waiting: Count }),
  circuits: Schema.Array(Schema.Struct({ api: Schema.String, open: Count })).annotate({
    description: "Circuit breakers of this process that are not closed, by API."
  }),
  budgets: Schema.Array(
    Schema.Struct({
      family: Schema.String.annotate({ description: "What the budget counts; without token and zone." }),
      budgets: Count,
      exhausted: Count.annotate({ description: "Budgets with no request left." }),
      paused: Count.annotate({ description: "Budgets the server asked to leave alone." }),
      waiting: Count.annotate({ description: "Requests that wait for them." })
    })
  )
}).annotate({ identifier: "WorkerHealth" })
export type WorkerHealth = typeof WorkerHealth.Type

/** The system. */
export class SystemApi extends HttpApiGroup.make("system", { topLevel: true })
  .add(
    HttpApiEndpoint.get("health", "/health", { success: Health, error: DatabaseUnavailable }).annotateMerge(
      OpenApi.annotations({
        summary: "Health",
        description:
          "200 while Rainlogs can serve, 503 when its database does not answer. Safe to poll: what it counts is " +
          "read at most once a second, the ledgers at most every ten seconds."
      })
    ),
    HttpApiEndpoint.get("worker", "/health/worker", { success: WorkerHealth }).annotateMerge(
      OpenApi.annotations({
        summary: "Health of collection",
        description:
          "How far collection is, over all customers and without their names; circuit breakers, budgets and " +
          "attempts are those of the answering process. Safe to poll: it is read at most every ten seconds."
      })
    )
  )
  .annotateMerge(OpenApi.annotations({ title: "System", description: "Liveness." }))
{}
