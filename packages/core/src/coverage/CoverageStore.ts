/**
 * Port: how the windows of a zone cover its hours, in SQL.
 */
import { Context, type Effect } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import type { CustomerId, ZoneId } from "../domain/Identifier.ts"
import type { Window } from "../domain/Window.ts"
import type { CoveragePart } from "./Coverage.ts"

/** The covered hours of a zone. */
export class CoverageStore extends Context.Service<CoverageStore, {
  /**
   * The tiles of the zone's sources within `range` (Unix ms, on whole hours), summed per source, hour and kind. The
   * answer has at most a few rows per source and hour, however many windows there are.
   */
  readonly parts: (
    customer: CustomerId,
    zone: ZoneId,
    range: Window
  ) => Effect.Effect<ReadonlyArray<CoveragePart>, DatabaseError>
}>()("@rainlogs/core/CoverageStore") {}
