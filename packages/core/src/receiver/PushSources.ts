/**
 * Port: the sources that a spool receives for, in SQL.
 */
import { Context, type Effect, Schema } from "effect"
import type { NewSource } from "../archive/CustomerStore.ts"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import { CustomerId, Sha256Hex, SourceId, ZoneId } from "../domain/Identifier.ts"
import { SourceName } from "../domain/Source.ts"

/** A source and the SHA-256 (hex) of the secret that its sender shows. */
export const PushSource = Schema.Struct({
  customer: CustomerId,
  zone: ZoneId,
  source: SourceId,
  name: SourceName,
  secretSha256: Sha256Hex
})
export type PushSource = typeof PushSource.Type

/** The sources of spools. */
export class PushSources extends Context.Service<PushSources, {
  /**
   * Adds a source to a zone, received by `spool`; if the zone has it already, it gets the new secret and goes on in
   * this spool. `now` in Unix ms.
   */
  readonly accept: (
    source: Omit<PushSource, "source" | "name">,
    begin: NewSource,
    spool: string,
    now: number
  ) => Effect.Effect<SourceId, DatabaseError>
  /** What a spool receives for. */
  readonly of: (spool: string) => Effect.Effect<ReadonlyArray<PushSource>, DatabaseError>
}>()("@rainlogs/core/PushSources") {}
