/**
 * What is wrong with the archive, over all customers, as the parts of it say. Subjects are identifiers: an operator's
 * chat need not know customers' names.
 */
import type { AlertKind, Condition } from "@rainlogs/core/alert/Alert"
import type { CountedEvent } from "@rainlogs/core/alert/AlertBook"
import { AlertConditions } from "@rainlogs/core/alert/AlertConditions"
import { publicationLagMs, riskyPart, timeToLoss } from "@rainlogs/core/alert/Thresholds"
import { AnchorLoop } from "@rainlogs/core/anchor/AnchorLoop"
import type { SourceProgress } from "@rainlogs/core/archive/WindowLedger"
import { CollectionStrategies } from "@rainlogs/core/collect/CollectionStrategies"
import { CircuitBreaker } from "@rainlogs/core/resilience/CircuitBreaker"
import { Clock, Effect, Layer } from "effect"
import { SystemState } from "../api/SystemState.ts"

const hourMs = 3_600_000

const subjectOf = ({ source }: SourceProgress): string => `${source.zone} ${source.name}`

const blocked = (progress: SourceProgress): ReadonlyArray<Condition> => {
  const { status } = progress.source
  if (status.state !== "blocked") return []
  return [{
    kind: "source-blocked",
    subject: subjectOf(progress),
    severity: "critical",
    summary: `The source cannot be collected: ${status.reason}.`,
    remedy: status.remedy
  }]
}

const atRisk = (progress: SourceProgress, horizonMs: number, now: number): ReadonlyArray<Condition> => {
  const { oldestUncommitted: oldest } = progress
  const left = timeToLoss(oldest, horizonMs, now)
  if (oldest === null || left === null || left > horizonMs * riskyPart) return []
  return [{
    kind: "hours-to-loss",
    subject: subjectOf(progress),
    severity: left <= horizonMs * riskyPart / 2 ? "critical" : "warning",
    summary: `Records since ${new Date(oldest).toISOString()} are not collected, and the source forgets them in ${
      Math.max(0, left / hourMs).toFixed(1)
    } h.`,
    remedy: "Look at the last errors of the zone's windows (GET /api/v1/zones/<id>/logs) and at the circuit breakers."
  }]
}

const gaps = (progress: SourceProgress): CountedEvent => ({
  key: `gap ${subjectOf(progress)}`,
  count: progress.windows.gap,
  describe: (more) => ({
    kind: "gap",
    subject: subjectOf(progress),
    severity: "warning",
    summary: `${more === 1 ? "A gap was" : `${more} gaps were`} declared: records were lost and cannot be collected.`,
    remedy: `rainlogs coverage --zone ${progress.source.zone} shows where and why; the gaps are in the ledger.`
  })
})

const make = Effect.gen(function*() {
  const state = yield* SystemState
  const strategies = yield* CollectionStrategies
  const breaker = yield* CircuitBreaker
  const anchoring = yield* AnchorLoop

  const circuits = Effect.map(breaker.snapshot, (all): ReadonlyArray<Condition> => {
    // One notice an API, however many zones and tokens it concerns: an outage of Cloudflare is one outage.
    const open = Map.groupBy(all.filter((one) => one.state !== "closed"), ({ key }) => key.split(" ")[0] ?? key)
    return [...open].map(([api, breakers]) => ({
      kind: "circuit-open",
      subject: api,
      severity: "warning",
      summary: `${api} is left alone after repeated failures (${breakers.length} circuit breaker${
        breakers.length === 1 ? "" : "s"
      }).`,
      remedy: "Rainlogs tries again by itself. If it lasts, look at Cloudflare's status, the network and any proxy."
    }))
  })

  const anchors = Effect.map(
    anchoring.status,
    (status): ReadonlyArray<Condition> =>
      status.anchors.flatMap(({ id, lastFailure, overdue }) =>
        overdue === 0 ? [] : [{
          kind: "anchor-overdue",
          subject: id,
          severity: "warning",
          summary: `${overdue} ledger${
            overdue === 1 ? " waits" : "s wait"
          } for the anchor longer than the policy allows${
            lastFailure === null ? "" : `; its last failure: ${lastFailure.category}`
          }.`,
          remedy: "GET /health shows the anchors; docs/anchors.md says what each failure means."
        }]
      )
  )

  const look = Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const unseen = new Set<AlertKind>()
    const conditions: Array<Condition> = [...yield* circuits, ...yield* anchors]
    const progress = yield* state.progress
    const ledgers = yield* state.ledgers
    if (progress === null || ledgers === null) {
      conditions.push({
        kind: "archive-unreadable",
        subject: progress === null ? "database" : "ledgers",
        severity: "critical",
        summary: progress === null
          ? "The database does not answer in time."
          : "The published checkpoints cannot be read in time.",
        remedy: progress === null
          ? "Look at whether PostgreSQL runs and has disk space; archiving waits and nothing is lost meanwhile."
          : "Look at the object store: disk, network, rights."
      })
    }
    if (progress === null) { for (const kind of ["source-blocked", "hours-to-loss", "gap"] as const) unseen.add(kind) }
    if (ledgers === null) { for (const kind of ["ledger-halted", "ledger-late"] as const) unseen.add(kind) }
    for (const one of progress ?? []) {
      const horizonMs = strategies.of(one.source.name)?.limits.horizonMs ?? Infinity
      conditions.push(...blocked(one), ...atRisk(one, horizonMs, now))
    }
    const paused = yield* state.paused
    if (paused === null) unseen.add("quota-reached")
    for (const { customer, reason } of paused ?? []) {
      conditions.push({
        kind: "quota-reached",
        subject: customer,
        severity: "critical",
        summary: reason === "day"
          ? "Collection is paused: the customer's bytes of today are used up."
          : "Collection is paused: the customer's stored bytes are used up.",
        remedy:
          "Windows wait; they become gaps when the source forgets them. Raise the quota (rainlogs quota set) or " +
          (reason === "day" ? "wait for the next day (UTC)." : "shorten the retention.")
      })
    }
    if (ledgers !== null && ledgers.halted > 0) {
      conditions.push({
        kind: "ledger-halted",
        subject: "ledgers",
        severity: "critical",
        summary: `Signing stopped for ${ledgers.halted} of ${ledgers.count} ledgers: tiles, SQL and signer disagree.`,
        remedy:
          "Change nothing. Compare signer/ and archive/integrity/ with their backups; docs/operations.md says how."
      })
    }
    if (ledgers !== null && ledgers.longestLagMs > publicationLagMs) {
      conditions.push({
        kind: "ledger-late",
        subject: "ledgers",
        severity: "warning",
        summary: `An entry has waited ${Math.round(ledgers.longestLagMs / 60_000)} min for a published checkpoint.`,
        remedy: "Look at the log for the signer and the object store."
      })
    }
    return { conditions, events: (progress ?? []).map(gaps), unseen }
  })

  return AlertConditions.of({ look })
})

/** Reads what `GET /health` reads, and the circuit breakers of this process. */
export const layer = Layer.effect(AlertConditions, make)
