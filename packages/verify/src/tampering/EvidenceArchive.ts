/**
 * A valid archive with everything a ledger can hold, over 200 days: windows and an encrypted object, heartbeats, a
 * legal hold and its release, an erasure by approvers and one by retention, a change of keys, and a witness that anchors
 * every day. It passes all four questions; the tamper catalogue breaks it.
 */
import { type Anchored, printAnchored, receiptPath } from "../Anchored.ts"
import { encode as ascii } from "../Ascii.ts"
import { concat } from "../Bytes.ts"
import { printCheckpoint } from "../Checkpoint.ts"
import { deriveChunkKeys } from "../ChunkedEncryption.ts"
import { cosignatureMessage } from "../Cosignature.ts"
import * as Ed25519 from "../Ed25519.ts"
import { type Entry, type ObjectEntry, printEntry } from "../Entry.ts"
import { sha256 } from "../Hash.ts"
import * as Hex from "../Hex.ts"
import { printHold } from "../Hold.ts"
import { printKeys } from "../Keys.ts"
import { checkpointArchiveKey, ledgerKey } from "../Layout.ts"
import { CompactRange, leafHash } from "../Merkle.ts"
import { type NoteSigner, parseNote, printNote, signatureLine, signNote } from "../Note.ts"
import { printRelease } from "../Release.ts"
import { printTombstone, type Tombstone, type TombstoneTarget } from "../Tombstone.ts"
import type { VerifyOptions } from "../VerifyArchive.ts"
import { ArchiveBuilder, hour, log, minute, origin, signer, start, zone } from "./ArchiveBuilder.ts"

/** A day in ms: one epoch of this archive's heartbeats. */
export const day = 24 * hour
/** Longest time from an entry to its anchor, ms. */
export const anchorLag = 26 * hour
/** Days the archive spans. */
export const days = 200
/** Those who may approve an erasure; two must. */
export const approvers: readonly [NoteSigner, NoteSigner] = [
  signer("approver.example.eu/dpo", 1, 3),
  signer("approver.example.eu/ops", 1, 4)
]
/** Cosigns a checkpoint every day. */
export const witness = signer("witness.example.org/w1", 4, 5)
/** The log's second key, in force from day 30 on. */
export const secondLog = signer(origin, 1, 6)
/** The clock's second key. */
export const secondClock = signer(`${origin}/clock`, 4, 7)
const retention = 180
const uuid = (number: number) => `01980000-0000-7000-8000-f${String(number).padStart(11, "0")}`

/** Key and job of the one object that is encrypted, and the day of its window. */
export const encrypted = {
  day: 100,
  job: "01980000-0000-7000-8000-0000e0000001",
  dataKey: new Uint8Array(32).fill(9)
} as const

const encrypt = async (plain: Uint8Array<ArrayBuffer>): Promise<Uint8Array> => {
  const salt = new Uint8Array(24).fill(8)
  const keys = await deriveChunkKeys(encrypted.dataKey, salt, encrypted.job)
  const key = await crypto.subtle.importKey("raw", keys.key, "AES-GCM", false, ["encrypt"])
  const iv = new Uint8Array(keys.nonce)
  const chunk = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, plain))
  return concat(salt, keys.commitment, chunk)
}

/** What the archive is verified with. */
export const trust = (): VerifyOptions => ({ keys: [log.key, witness.key] })

/** Adds the anchor of the head of `size` entries: the witness's receipt, and its entry a minute later. */
export const anchor = (builder: ArchiveBuilder, size: number, time: number): ArchiveBuilder => {
  const { immutable } = builder.sign(size)
  const body = parseNote(immutable).text
  const seconds = Math.floor(time / 1000)
  const stamp = new Uint8Array(72)
  new DataView(stamp.buffer).setBigUint64(0, BigInt(seconds))
  stamp.set(Ed25519.sign(witness.seed, cosignatureMessage(seconds, body)), 8)
  const receipt = new TextEncoder().encode(
    `${signatureLine({ name: witness.key.name, id: witness.key.id, signature: stamp })}\n`
  )
  const anchored: Anchored = {
    origin,
    anchor: "w1",
    type: "witness",
    size,
    root: Hex.encode(rootOf(builder.entries.slice(0, size))),
    checkpoint: Hex.encode(sha256(immutable)),
    receipt: Hex.encode(sha256(receipt)),
    time: seconds * 1000
  }
  builder.files.set(ledgerKey(origin, receiptPath(anchored)), receipt)
  return builder.event("anchored", ascii(printAnchored(anchored)), time + minute)
}

/** The Merkle root over entries. */
export const rootOf = (entries: ReadonlyArray<Entry>): Uint8Array => {
  const tree = CompactRange.empty()
  for (const entry of entries) tree.append(leafHash(printEntry(entry)))
  return tree.root()
}

/** The body of the checkpoint over a builder's first `size` entries. */
export const checkpointBody = (builder: ArchiveBuilder, size: number): string =>
  printCheckpoint({ origin, size, root: rootOf(builder.entries.slice(0, size)) })

/** The target of an erasure. */
export const targetOf = (entry: ObjectEntry): TombstoneTarget => ({
  chain: entry.chain,
  seq: entry.seq,
  object: entry.object,
  hash: entry.hash
})

/** The object entry of the window of a day. */
export const windowOf = (builder: ArchiveBuilder, number: number): ObjectEntry => {
  const from = start + number * day
  const found = builder.entries.find((entry) => entry.kind === "object" && entry.window.from === from)
  if (found === undefined || found.kind !== "object") throw new Error(`no window of day ${number}`)
  return found
}

/** How an erasure is made, right or wrong. */
export interface ErasureDraft {
  readonly number: number
  readonly target: TombstoneTarget
  readonly reason: Tombstone["reason"]
  readonly signers: ReadonlyArray<NoteSigner>
  readonly announced: number
  readonly executed: number
  readonly phases?: "both" | "intent"
}

/** Chains the two phases of an erasure and removes the object. */
export const erase = (builder: ArchiveBuilder, draft: ErasureDraft): ArchiveBuilder => {
  const { announced, executed, number, reason, signers, target } = draft
  const policy = builder.entries.findLast(({ kind }) => kind === "policy")?.object ?? ""
  const basis = `case-${number}`
  const common = { origin, id: uuid(number), targets: [target], reason, method: "delete" as const, policy, basis }
  const promised = { ...common, requested: announced, notBefore: announced }
  builder.event("tombstone", printNote(signNote(printTombstone({ ...promised, done: null }), signers)), announced)
  const intent = builder.entries.at(-1)?.hash ?? ""
  if (draft.phases !== "intent") {
    const evidence = builder.store(ascii(`{"deleted":"${target.object}","replica":"primary"}`))
    const done = printTombstone({ ...promised, done: { executed, intent, evidence } })
    const { log: by } = builder.signersAt(builder.entries.length)
    builder.event("tombstone", printNote(signNote(done, [by])), executed + 1000)
  }
  const entry = builder.entries.find(({ hash }) => hash === target.hash)
  if (entry?.kind === "object" && entry.key !== null) builder.files.delete(entry.key)
  return builder
}

/** Places or releases a hold over the window of a day. */
export const hold = (builder: ArchiveBuilder, number: number, time: number): ArchiveBuilder => {
  const from = start + number * day
  const scopes = [{ chain: zone, from, to: from + day }]
  const text = printHold({ origin, id: uuid(900 + number), scopes, basis: "lawsuit 7", issued: time })
  return builder.event("hold", printNote(signNote(text, [builder.signersAt(builder.entries.length).log])), time)
}

/** Ends the hold over the window of a day. */
export const release = (builder: ArchiveBuilder, number: number, time: number): ArchiveBuilder => {
  const text = printRelease({
    origin,
    id: uuid(950 + number),
    hold: uuid(900 + number),
    basis: "lawsuit 7 ended",
    issued: time
  })
  return builder.event("release", printNote(signNote(text, approvers)), time)
}

/** Changes the log's keys to the second ones. */
export const rotate = (builder: ArchiveBuilder, time: number): ArchiveBuilder => {
  const text = printKeys({
    origin,
    version: 2,
    previous: log.key,
    log: secondLog.key,
    clock: secondClock.key,
    revoked: []
  })
  builder.event("keys", printNote(signNote(text, [log, secondLog])), time)
  builder.signers.push({ fromSize: builder.entries.length, log: secondLog, clock: secondClock })
  return builder
}

const line = (time: number) =>
  `{"EdgeStartTimestamp":"${new Date(time).toISOString()}","RayID":"${time.toString(16)}"}\n`

// What happens on some days, after the window was archived.
const story: Readonly<Record<number, (builder: ArchiveBuilder, now: number) => ArchiveBuilder>> = {
  5: (builder, now) => hold(builder, 3, now),
  10: (builder, now) =>
    erase(builder, {
      number: 1,
      target: targetOf(windowOf(builder, 1)),
      reason: "gdpr-art17",
      signers: approvers,
      announced: now,
      executed: now + minute
    }),
  20: (builder, now) => release(builder, 3, now),
  30: rotate,
  190: (builder, now) =>
    erase(builder, {
      number: 2,
      target: targetOf(windowOf(builder, 2)),
      reason: "retention",
      signers: [secondLog],
      announced: now,
      executed: now + minute
    })
}

/** Appends the events of one day: its window, what the story holds, the heartbeat, a publication and its anchor. */
export const addDay = async (builder: ArchiveBuilder, number: number): Promise<ArchiveBuilder> => {
  const from = start + number * day
  const end = from + day
  const lines = number % 7 === 6 ? null : line(from) + line(from + minute)
  const stored = lines !== null && number === encrypted.day
    ? { encrypted: { job: encrypted.job, dek: uuid(number), bytes: await encrypt(new TextEncoder().encode(lines)) } }
    : {}
  builder.window({ from, to: end, lines, time: end + minute, ...stored })
  story[number]?.(builder, end + 2 * minute)
  const { entries } = builder
  builder.heartbeat(from / day, { time: end + 5 * minute }).publish()
  return anchor(builder, entries.length, end + 6 * minute)
}

/** Begins the archive: genesis and a policy with two approvers. */
export const beginEvidence = (): ArchiveBuilder =>
  new ArchiveBuilder().begin(start, {
    retention: [{ class: "default", days: retention }],
    retentionMinimum: retention,
    heartbeat: { epoch: day, tolerance: hour },
    anchorLag,
    eraseQuorum: 2,
    approvers: approvers.map(({ key }) => key)
  })

/** The whole archive. `until` days, 200 when left out; the last head is published and cosigned at its end. */
export const evidenceArchive = async (until: number = days): Promise<ArchiveBuilder> => {
  const builder = beginEvidence()
  for (let number = 0; number < until; number++) await addDay(builder, number)
  return builder.publish()
}

/** Throws away tiles, heads and receipts, and publishes the changed entries at the sizes that were signed before. */
export const republish = (builder: ArchiveBuilder): ArchiveBuilder => {
  const sizes = [...builder.files.keys()].flatMap((key) => /checkpoint\.d\/(\d+)$/.exec(key)?.[1] ?? []).map(Number)
  for (const key of builder.files.keys()) {
    if (/\/(tile|checkpoint\.d|checkpoint|anchor)(\/|$)/.test(key)) builder.files.delete(key)
  }
  const { length } = builder.entries
  for (const size of sizes) if (size < length) builder.writeArchivedCheckpoint(size)
  return builder.publish()
}

/** The key of an archived head. */
export const headKey = (size: number): string => checkpointArchiveKey(origin, size)

/** Days since the beginning that the last entry of the archive states. */
export const lastDay = days - 1
