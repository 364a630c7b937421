/**
 * Port: how the bytes of one window reach the Sealer. One strategy per source; sources differ in nothing else.
 */
import { Context, type Effect, type Redacted, type Scope, type Stream } from "effect"
import type { CloudflareZoneId, Sha256Hex, ZoneId } from "../domain/Identifier.ts"
import type { Fidelity } from "../domain/LogObject.ts"
import type { SourceName } from "../domain/Source.ts"
import type { Window } from "../domain/Window.ts"
import type { CollectionError } from "./CollectionError.ts"

/** The zone as a strategy sees it: where to ask and with which credential. */
export interface CollectionTarget {
  readonly zone: ZoneId
  readonly cloudflareZone: CloudflareZoneId
  readonly token: Redacted.Redacted<string>
}

/**
 * One window being collected. `parameters` is canonical JSON (sorted keys, no spaces) of what was asked; its hash is
 * the entry's `params`. It carries `horizon`, the source's re-read reach in ms, so that a verifier knows how long a
 * missing window may still be pending. `bytes` is NDJSON, decompressed; it fails rather than end early.
 */
export interface Collection {
  readonly parameters: { readonly json: string; readonly sha256: Sha256Hex }
  readonly fidelity: Fidelity
  readonly bytes: Stream.Stream<Uint8Array, CollectionError>
}

/** The limits of a source: all in ms. */
export interface CollectionLimits {
  readonly source: SourceName
  /** Windows end at least this long before now. */
  readonly settleMs: number
  /** Windows start at most this long before now; Infinity where the source waits for us. */
  readonly horizonMs: number
  /** The longest window one request may ask for. */
  readonly longestWindowMs: number
  /** The shortest window a split may reach. */
  readonly shortestWindowMs: number
}

/** Collects windows of one kind of source. */
export class CollectionStrategy extends Context.Service<CollectionStrategy, {
  readonly limits: CollectionLimits
  /**
   * Asks the source whether the zone can be collected now; a `blocked` or `unauthorised` failure says why not and
   * what to do. Answers may be remembered for some minutes per zone: the result is when the source gave it, Unix ms.
   */
  readonly check: (target: CollectionTarget) => Effect.Effect<number, CollectionError>
  /** Starts collecting one window; the stream lives as long as the scope. */
  readonly collect: (
    target: CollectionTarget,
    window: Window
  ) => Effect.Effect<Collection, CollectionError, Scope.Scope>
}>()("@rainlogs/core/CollectionStrategy") {}
