/**
 * An entry before it has a place: all of a ledger entry but `seq`, `prev`, `hash` and `time`, which the append
 * transaction gives it. Order comes from the database, never from timestamps (ledger format §3).
 */
import { chainHash } from "@rainlogs/verify/Chain"
import type { Entry } from "@rainlogs/verify/Entry"
import * as Hex from "@rainlogs/verify/Hex"
import { objectKey } from "@rainlogs/verify/Layout"
import type { JobId, ZoneId } from "../domain/Identifier.ts"
import type { LogObject } from "../domain/LogObject.ts"
import type { SourceName } from "../domain/Source.ts"
import type { Window } from "../domain/Window.ts"

/** The entry of one archived window. */
export interface ObjectDraft {
  readonly kind: "object"
  readonly chain: ZoneId
  readonly job: JobId
  readonly window: Window
  readonly source: SourceName
  readonly object: LogObject
}

/** The entry of one event document, stored at `event/<sha256>` below the ledger's prefix. */
export interface EventDraft {
  readonly kind: "genesis" | "policy" | "keys" | "heartbeat" | "tombstone" | "hold" | "release" | "gap" | "anchored"
  readonly chain: "control"
  readonly job: JobId
  /** SHA-256 (hex) and size in bytes of the document. */
  readonly document: { readonly sha256: string; readonly size: number }
}

/** What is appended to a ledger: a window's object, or an event. */
export type EntryDraft = ObjectDraft | EventDraft

/** Where an entry goes: the chain's next sequence number, its head hash (hex) and the time (Unix ms) of the append. */
export interface Place {
  readonly origin: string
  readonly seq: number
  readonly prev: string
  readonly time: number
}

/** The finished entry: the draft at its place, with its chain hash. */
export const placeEntry = (draft: EntryDraft, place: Place): Entry => {
  const object = draft.kind === "object" ? draft.object.sha256 : draft.document.sha256
  const common = {
    origin: place.origin,
    chain: draft.chain,
    seq: place.seq,
    job: draft.job,
    prev: place.prev,
    object,
    hash: Hex.encode(chainHash(Hex.decode(place.prev, 32), Hex.decode(object, 32), draft.job)),
    time: place.time
  }
  if (draft.kind !== "object") {
    return { ...common, kind: draft.kind, size: draft.document.size, key: `event/${draft.document.sha256}` }
  }
  const { codec, dek, encryption, fidelity, params, plainSize, records, recordsRoot, size } = draft.object
  return {
    ...common,
    kind: "object",
    size,
    key: draft.object.key,
    codec,
    encryption,
    dek,
    records,
    plainSize,
    window: draft.window,
    source: draft.source,
    fidelity,
    params,
    recordsRoot
  }
}

/** The object-store key of a window's object: content-addressed, so nothing is ever overwritten. */
export const keyOfObject = (
  draft: { readonly chain: ZoneId; readonly job: JobId; readonly window: Window },
  sha256: string,
  codec: LogObject["codec"]
): string => objectKey({ chain: draft.chain, windowFrom: draft.window.from, job: draft.job, object: sha256, codec })
