/**
 * The ledger entry `rainlogs-entry/v1` (ledger format §3): one link of a chain and one leaf of the Merkle tree.
 * `printEntry` and `parseEntry` are exact inverses; both reject every value the format does not allow.
 */
import { decode, encode } from "./Ascii.ts"
import { controlChain } from "./Chain.ts"
import * as Field from "./Field.ts"
import { eventPath } from "./Layout.ts"
import { joinLines, Lines } from "./Lines.ts"
import { MalformedError } from "./Malformed.ts"

const format = "rainlogs-entry/v1"

/** Largest printed entry in bytes: bundles prefix each with a uint16 length. */
export const maxEntryBytes = 65_535

/** SHA-256 of the empty string: the `object` of a window that was collected and held no record. */
export const emptyObject = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/** How the stored bytes are compressed. */
export const codecs = ["identity", "gzip", "zstd"] as const
/** How the stored bytes are encrypted. */
export const encryptions = ["none", "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM"] as const
/** Whether the source gave all records, a sample, or a part. */
export const fidelities = ["complete", "sampled", "partial"] as const
/** Kinds of entry whose object is a document at `event/<sha256>`. */
export const eventKinds = [
  "genesis",
  "policy",
  "keys",
  "heartbeat",
  "tombstone",
  "hold",
  "release",
  "gap",
  "anchored"
] as const

/** One of {@link codecs}. */
export type Codec = typeof codecs[number]
/** One of {@link encryptions}. */
export type Encryption = typeof encryptions[number]
/** One of {@link fidelities}. */
export type Fidelity = typeof fidelities[number]
/** One of {@link eventKinds}. */
export type EventKind = typeof eventKinds[number]

/** The lines common to all kinds. Hashes are lower-case hex, `size` is in bytes, `time` in Unix milliseconds. */
export interface EntryLink {
  readonly origin: string
  readonly chain: string
  readonly seq: number
  readonly job: string
  readonly prev: string
  /** SHA-256 of the exact stored bytes. */
  readonly object: string
  /** The chain hash of this entry (ledger format §2). */
  readonly hash: string
  readonly size: number
  readonly time: number
}

/** A collected window of a zone: its stored object, or null as `key` when the window held no record. */
export interface ObjectEntry extends EntryLink {
  readonly kind: "object"
  /** Relative to the archive's root (`logs/…`). */
  readonly key: string | null
  readonly codec: Codec
  readonly encryption: Encryption
  /** Opaque id of the data key; null exactly when `encryption` is `none`. */
  readonly dek: string | null
  readonly records: number
  /** Bytes before compression and encryption. */
  readonly plainSize: number
  /** Half-open `[from, to)` in ms on the source's own clock. */
  readonly window: { readonly from: number; readonly to: number }
  readonly source: string
  readonly fidelity: Fidelity
  /** SHA-256 of the collection-parameters document at `event/<sha256>`. */
  readonly params: string | null
  readonly recordsRoot: string | null
}

/** A document of the control chain. */
export interface EventEntry extends EntryLink {
  readonly kind: EventKind
  /** `event/<object>`, relative to the ledger's directory. */
  readonly key: string | null
}

/** One ledger entry. */
export type Entry = ObjectEntry | EventEntry

const checkWindow = (from: number, to: number): void => {
  if (from >= to) throw new MalformedError(format, `the window [${from}, ${to}) is empty or reversed`)
}

// Rules that tie several lines together; the same for both directions.
const checkEvent = (entry: EventEntry): void => {
  if (entry.chain !== controlChain) throw new MalformedError(format, `a ${entry.kind} belongs to the control chain`)
  if (entry.key !== eventPath(entry.object)) throw new MalformedError(format, "an event's key is event/<object>")
}

const checkObject = (entry: ObjectEntry): void => {
  if (entry.chain === controlChain) throw new MalformedError(format, "an object belongs to a zone's chain")
  if ((entry.dek === null) !== (entry.encryption === "none")) {
    throw new MalformedError(format, "dek names a data key exactly when the object is encrypted")
  }
  const emptyParts = [entry.size === 0, entry.records === 0, entry.plainSize === 0, entry.object === emptyObject]
  if (emptyParts.some((part) => part !== (entry.key === null))) {
    throw new MalformedError(format, "key -, size 0, records 0, plain-size 0 and the empty hash go together")
  }
}

/** The bytes of an entry, at most 65 535; throws {@link MalformedError} for a value the format does not allow. */
export const printEntry = (entry: Entry): Uint8Array => {
  const lines = [
    format,
    `origin ${Field.origin(format, entry.origin)}`,
    `chain ${Field.chain(format, entry.chain)}`,
    `seq ${Field.count(format, entry.seq)}`,
    `kind ${entry.kind === "object" ? entry.kind : Field.oneOf(format, eventKinds, entry.kind)}`,
    `job ${Field.uuid(format, entry.job)}`,
    `prev ${Field.hash(format, entry.prev)}`,
    `object ${Field.hash(format, entry.object)}`,
    `hash ${Field.hash(format, entry.hash)}`,
    `size ${Field.count(format, entry.size)}`,
    `time ${Field.count(format, entry.time)}`,
    `key ${entry.key === null ? "-" : word(entry.key)}`
  ]
  if (entry.kind === "object") {
    checkObject(entry)
    checkWindow(entry.window.from, entry.window.to)
    lines.push(
      `codec ${Field.oneOf(format, codecs, entry.codec)}`,
      `enc ${Field.oneOf(format, encryptions, entry.encryption)}`,
      `dek ${entry.dek === null ? "-" : word(entry.dek)}`,
      `records ${Field.count(format, entry.records)}`,
      `plain-size ${Field.count(format, entry.plainSize)}`,
      `window ${Field.count(format, entry.window.from)} ${Field.count(format, entry.window.to)}`,
      `source ${Field.token(format, entry.source)}`,
      `fidelity ${Field.oneOf(format, fidelities, entry.fidelity)}`,
      `params ${entry.params === null ? "-" : Field.hash(format, entry.params)}`,
      `records-root ${entry.recordsRoot === null ? "-" : Field.hash(format, entry.recordsRoot)}`
    )
  } else {
    checkEvent(entry)
  }
  const bytes = encode(joinLines(lines), format)
  if (bytes.length > maxEntryBytes) throw new MalformedError(format, `${bytes.length} bytes, the limit is 65535`)
  return bytes
}

// A printable word that cannot be read back as "none".
const word = (text: string): string => {
  if (text === "-") throw new MalformedError(format, "\"-\" means none and is not a value")
  return Field.token(format, text)
}

/** Reads an entry; throws {@link MalformedError} (with the line) for anything {@link printEntry} would not print. */
export const parseEntry = (bytes: Uint8Array): Entry => {
  if (bytes.length > maxEntryBytes) throw new MalformedError(format, `${bytes.length} bytes, the limit is 65535`)
  const lines = new Lines(format, decode(bytes, format))
  const link = {
    origin: lines.field("origin", Field.origin),
    chain: lines.field("chain", Field.chain),
    seq: lines.field("seq", Field.parseCount)
  }
  const kind = lines.field("kind", (_, text) => text === "object" ? text : Field.oneOf(format, eventKinds, text))
  const common = {
    ...link,
    job: lines.field("job", Field.uuid),
    prev: lines.field("prev", Field.hash),
    object: lines.field("object", Field.hash),
    hash: lines.field("hash", Field.hash),
    size: lines.field("size", Field.parseCount),
    time: lines.field("time", Field.parseCount),
    key: lines.field("key", optionalToken)
  }
  if (kind !== "object") {
    lines.end()
    const entry: EventEntry = { ...common, kind }
    checkEvent(entry)
    return entry
  }
  const entry: ObjectEntry = {
    ...common,
    kind,
    codec: lines.field("codec", (_, text) => Field.oneOf(format, codecs, text)),
    encryption: lines.field("enc", (_, text) => Field.oneOf(format, encryptions, text)),
    dek: lines.field("dek", optionalToken),
    records: lines.field("records", Field.parseCount),
    plainSize: lines.field("plain-size", Field.parseCount),
    window: lines.words("window", 2, (_, [from = "", to = ""]) => {
      const window = { from: Field.parseCount(format, from), to: Field.parseCount(format, to) }
      checkWindow(window.from, window.to)
      return window
    }),
    source: lines.field("source", Field.token),
    fidelity: lines.field("fidelity", (_, text) => Field.oneOf(format, fidelities, text)),
    params: lines.field("params", optionalHash),
    recordsRoot: lines.field("records-root", optionalHash)
  }
  lines.end()
  checkObject(entry)
  return entry
}

const optionalToken = (name: string, text: string): string | null => Field.parseOptional(name, text, Field.token)
const optionalHash = (name: string, text: string): string | null => Field.parseOptional(name, text, Field.hash)
