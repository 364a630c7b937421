/**
 * The key record `rainlogs-key/v1`, or `/v2` where the object has a records root: the document at `keys/<dek id>` that holds the wrapped data key of one object
 * (ledger format §7). Destroying it erases the object. It also says what the object holds, so that an object whose
 * window was never committed can be adopted.
 */
import { decode, encode } from "@rainlogs/verify/Ascii"
import * as Base64 from "@rainlogs/verify/Base64"
import { concat } from "@rainlogs/verify/Bytes"
import { codecs, fidelities } from "@rainlogs/verify/Entry"
import * as Field from "@rainlogs/verify/Field"
import { joinLines, Lines } from "@rainlogs/verify/Lines"
import { MalformedError } from "@rainlogs/verify/Malformed"
import { uuidFromText } from "../domain/Identifier.ts"
import type { LogObject } from "../domain/LogObject.ts"

const format = "rainlogs-key/v1"
const formatWithRoot = "rainlogs-key/v2"

/** What a key record says. `wrapped` is nonce ∥ ciphertext ∥ tag; sizes in bytes. */
export interface KeyRecord {
  readonly origin: string
  readonly job: string
  readonly dek: string
  readonly kek: string
  /** SHA-256 (hex) of the stored bytes the key opens. */
  readonly object: string
  readonly records: number
  readonly plainSize: number
  readonly params: string | null
  readonly fidelity: LogObject["fidelity"]
  readonly codec: LogObject["codec"]
  readonly wrapped: Uint8Array
  /** Root over the lines' commitments (hex) and the wrapped seed of their salts (ledger format §9); both or neither. */
  readonly recordsRoot: string | null
  readonly wrappedSeed: Uint8Array | null
}

/** The id of an object's data key: a UUIDv8 anyone who has the job and the object can compute, so an orphan's key is found. */
export const dekIdOf = (job: string, objectSha256: string): string =>
  uuidFromText(`rainlogs-dek/v1\n${job}\n${objectSha256}\n`)

/** Where a key record is stored. */
export const keyRecordKey = (dek: string): string => `keys/${dek}`

/** The additional data that binds a wrapped data key to its place: origin ∥ 0x00 ∥ job ∥ 0x00 ∥ KEK id. */
export const wrappingContext = (origin: string, job: string, kek: string): Uint8Array => {
  const zero = Uint8Array.of(0)
  return concat(encode(origin, format), zero, encode(job, format), zero, encode(kek, format))
}

/** The additional data that binds the seed of an object's salts: that of its data key ∥ 0x00 ∥ `records`. */
export const seedContext = (origin: string, job: string, kek: string): Uint8Array =>
  concat(wrappingContext(origin, job, kek), Uint8Array.of(0), encode("records", format))

// The dek line must name the key of these very lines: a record copied to another key's place is malformed.
const checkDek = (record: KeyRecord): void => {
  if (record.dek !== dekIdOf(record.job, record.object)) {
    throw new MalformedError(format, "dek is not the id derived from job and object")
  }
  if ((record.recordsRoot === null) !== (record.wrappedSeed === null)) {
    throw new MalformedError(format, "records root and seed go together")
  }
}

/** The bytes of a key record; throws `MalformedError` for a value the format does not allow. */
export const printKeyRecord = (record: KeyRecord): Uint8Array => {
  checkDek(record)
  return encode(
    joinLines([
      record.recordsRoot === null ? format : formatWithRoot,
      `origin ${Field.origin(format, record.origin)}`,
      `job ${Field.uuid(format, record.job)}`,
      `dek ${Field.uuid(format, record.dek)}`,
      `kek ${Field.token(format, record.kek)}`,
      `object ${Field.hash(format, record.object)}`,
      `records ${Field.count(format, record.records)}`,
      `plain-size ${Field.count(format, record.plainSize)}`,
      `params ${record.params === null ? "-" : Field.hash(format, record.params)}`,
      `fidelity ${Field.oneOf(format, fidelities, record.fidelity)}`,
      `codec ${Field.oneOf(format, codecs, record.codec)}`,
      ...record.recordsRoot === null ? [] : [`records-root ${Field.hash(format, record.recordsRoot)}`],
      `wrapped ${Base64.encode(record.wrapped)}`,
      ...record.wrappedSeed === null ? [] : [`seed ${Base64.encode(record.wrappedSeed)}`]
    ]),
    format
  )
}

/** Reads a key record; throws `MalformedError` for anything {@link printKeyRecord} would not print. */
export const parseKeyRecord = (bytes: Uint8Array): KeyRecord => {
  const text = decode(bytes, format)
  const withRoot = text.startsWith(`${formatWithRoot}\n`)
  const lines = new Lines(withRoot ? formatWithRoot : format, text)
  const record: KeyRecord = {
    origin: lines.field("origin", Field.origin),
    job: lines.field("job", Field.uuid),
    dek: lines.field("dek", Field.uuid),
    kek: lines.field("kek", Field.token),
    object: lines.field("object", Field.hash),
    records: lines.field("records", Field.parseCount),
    plainSize: lines.field("plain-size", Field.parseCount),
    params: lines.field("params", (name, text) => Field.parseOptional(name, text, Field.hash)),
    fidelity: lines.field("fidelity", (name, text) => Field.oneOf(name, fidelities, text)),
    codec: lines.field("codec", (name, text) => Field.oneOf(name, codecs, text)),
    recordsRoot: withRoot ? lines.field("records-root", Field.hash) : null,
    wrapped: lines.field("wrapped", (_, text) => Base64.decode(text)),
    wrappedSeed: withRoot ? lines.field("seed", (_, text) => Base64.decode(text)) : null
  }
  lines.end()
  checkDek(record)
  return record
}
