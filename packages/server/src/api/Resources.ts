/**
 * The domain's zones and jobs as the API shows them.
 */
import type { JobResource } from "@rainlogs/core/api/JobResource"
import type { SourceStatusResource, ZoneResource } from "@rainlogs/core/api/ZonesApi"
import type { JobView, SourceProgress } from "@rainlogs/core/archive/WindowLedger"
import type { ZoneCircuit } from "@rainlogs/core/collect/CloudflareCircuits"
import { Sha256Hex } from "@rainlogs/core/domain/Identifier"
import type { SourceStatus } from "@rainlogs/core/domain/Source"
import type { Zone } from "@rainlogs/core/domain/Zone"
import { DateTime } from "effect"

const time = DateTime.makeUnsafe

/** The store writes 0 for a source that never was known to be collectable. */
const knownUntil = (since: number) => since === 0 ? null : time(since)

/** A source's status as the API shows it. */
export const sourceStatusResource = (status: SourceStatus): typeof SourceStatusResource.Type =>
  status.state === "active" ? status : { ...status, since: knownUntil(status.since) }

/** A zone with its circuits and the progress of its sources; `progress` may hold other zones' too. */
export const zoneResource = (
  zone: Zone,
  progress: ReadonlyArray<SourceProgress>,
  circuits: ReadonlyArray<ZoneCircuit> | null
): ZoneResource => ({
  id: zone.id,
  name: zone.name,
  cloudflareZoneId: zone.cloudflareZone,
  status: zone.status.state === "active" ? zone.status : { ...zone.status, since: knownUntil(zone.status.since) },
  createdAt: time(zone.createdAt),
  sources: progress.filter(({ source }) => source.zone === zone.id).map((part) => ({
    name: part.source.name,
    status: sourceStatusResource(part.source.status),
    startsAt: time(part.source.startsAt),
    plannedTo: time(part.plannedTo),
    oldestUncommitted: part.oldestUncommitted === null ? null : time(part.oldestUncommitted),
    windows: part.windows,
    records: part.records,
    plainBytes: part.plainBytes,
    storedBytes: part.storedBytes
  })),
  circuits: circuits?.map(({ openUntil, ...circuit }) => ({
    ...circuit,
    openUntil: openUntil === null ? null : time(openUntil)
  })) ?? null
})

/** A job with what it archived. */
export const jobResource = ({ entry, erasure, gapReason, job, object }: JobView): JobResource => ({
  id: job.id,
  zone: job.zone,
  source: job.sourceName,
  window: { from: job.window.from, to: job.window.to, start: time(job.window.from), end: time(job.window.to) },
  state: erasure?.state === "done" ? "erased" : job.state,
  records: object?.records ?? null,
  bytes: object?.plainSize ?? null,
  storedBytes: object?.size ?? null,
  sha256: object?.sha256 ?? null,
  key: object?.key ?? null,
  fidelity: object?.fidelity ?? null,
  entry,
  gapReason,
  erasure: erasure === null ? null : {
    id: erasure.id,
    state: erasure.state,
    executedAt: erasure.executed === null ? null : time(erasure.executed),
    tombstone: Sha256Hex.make(erasure.tombstone)
  },
  lastError: job.lastError,
  attempts: job.attempts,
  notBefore: time(job.notBefore),
  createdAt: time(job.createdAt),
  updatedAt: time(job.updatedAt)
})
