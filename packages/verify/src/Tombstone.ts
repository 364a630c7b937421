/**
 * `rainlogs-tombstone/v1` (ledger format §7): the announcement (`intent`) and the report (`done`) of an erasure. The
 * text of a signed note.
 */
import { encode } from "./Ascii.ts"
import * as Field from "./Field.ts"
import { joinLines, Lines } from "./Lines.ts"
import { MalformedError } from "./Malformed.ts"

const format = "rainlogs-tombstone/v1"

/** Why records are erased. */
export const tombstoneReasons = ["retention", "gdpr-art17", "tenant-exit", "court-order"] as const
/** How records are erased. */
export const tombstoneMethods = ["delete", "crypto-erase"] as const

/** The entry whose object is erased: its chain, seq, object hash and chain hash (hex). */
export interface TombstoneTarget {
  readonly chain: string
  readonly seq: number
  readonly object: string
  readonly hash: string
}

/** What the report adds to the announcement. */
export interface TombstoneExecution {
  /** When the last replica had answered, ms. */
  readonly executed: number
  /** Chain hash of the `intent` entry. */
  readonly intent: string
  /** SHA-256 of the storage responses of every replica; the golden vector has a `done` tombstone without it. */
  readonly evidence: string | null
}

/** One phase of an erasure; times in ms. */
export interface Tombstone {
  readonly origin: string
  readonly id: string
  /** Sorted by chain, then seq. */
  readonly targets: ReadonlyArray<TombstoneTarget>
  readonly reason: typeof tombstoneReasons[number]
  readonly method: typeof tombstoneMethods[number]
  /** SHA-256 of the policy document in force. */
  readonly policy: string
  /** Opaque reference to the legal basis. */
  readonly basis: string
  readonly requested: number
  readonly notBefore: number
  /** Null for phase `intent`, present for phase `done`. */
  readonly done: TombstoneExecution | null
}

const check = (tombstone: Tombstone): Tombstone => {
  if (tombstone.targets.length === 0) throw new MalformedError(format, "no target")
  const key = (target: TombstoneTarget) => `${target.chain} ${String(target.seq).padStart(16, "0")}`
  Field.ascending(format, tombstone.targets, key)
  return tombstone
}

/** The note text. */
export const printTombstone = (tombstone: Tombstone): string => {
  const { done } = check(tombstone)
  const count = (value: number) => Field.count(format, value)
  const hash = (value: string) => Field.hash(format, value)
  const execution = done === null ? [] : [`executed ${count(done.executed)}`, `intent ${hash(done.intent)}`]
  const evidence = done === null || done.evidence === null ? [] : [`evidence ${hash(done.evidence)}`]
  const text = joinLines([
    format,
    `origin ${Field.origin(format, tombstone.origin)}`,
    `id ${Field.uuid(format, tombstone.id)}`,
    `phase ${done === null ? "intent" : "done"}`,
    ...tombstone.targets.map((target) =>
      `target ${Field.chain(format, target.chain)} ${count(target.seq)} ${hash(target.object)} ${hash(target.hash)}`
    ),
    `reason ${Field.oneOf(format, tombstoneReasons, tombstone.reason)}`,
    `method ${Field.oneOf(format, tombstoneMethods, tombstone.method)}`,
    `policy ${hash(tombstone.policy)}`,
    `basis ${Field.phrase(format, tombstone.basis)}`,
    `requested ${count(tombstone.requested)}`,
    `not-before ${count(tombstone.notBefore)}`,
    ...execution,
    ...evidence
  ])
  encode(text, format)
  return text
}

/** Reads the note text; throws {@link MalformedError}. */
export const parseTombstone = (text: string): Tombstone => {
  encode(text, format)
  const lines = new Lines(format, text)
  const origin = lines.field("origin", Field.origin)
  const id = lines.field("id", Field.uuid)
  const phase = lines.field("phase", (_, word) => Field.oneOf(format, ["intent", "done"], word))
  const target = (_: string, [chain = "", seq = "", object = "", hash = ""]: ReadonlyArray<string>) => ({
    chain: Field.chain(format, chain),
    seq: Field.parseCount(format, seq),
    object: Field.hash(format, object),
    hash: Field.hash(format, hash)
  })
  const announcement = {
    origin,
    id,
    targets: lines.repeated("target", () => lines.words("target", 4, target)),
    reason: lines.field("reason", (_, word) => Field.oneOf(format, tombstoneReasons, word)),
    method: lines.field("method", (_, word) => Field.oneOf(format, tombstoneMethods, word)),
    policy: lines.field("policy", Field.hash),
    basis: lines.field("basis", Field.phrase),
    requested: lines.field("requested", Field.parseCount),
    notBefore: lines.field("not-before", Field.parseCount)
  }
  const done = phase === "intent" ? null : {
    executed: lines.field("executed", Field.parseCount),
    intent: lines.field("intent", Field.hash),
    evidence: lines.has("evidence") ? lines.field("evidence", Field.hash) : null
  }
  lines.end()
  return check({ ...announcement, done })
}
