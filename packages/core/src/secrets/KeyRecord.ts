/**
 * The key record `rainlogs-key/v1`: the document at `keys/<dek id>` that holds the wrapped data key of one object
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
import { uuidFromText } from "../domain/LogJob.ts"
import type { LogObject } from "../domain/LogObject.ts"

const format = "rainlogs-key/v1"

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

// The dek line must name the key of these very lines: a record copied to another key's place is malformed.
const checkDek = (record: KeyRecord): void => {
  if (record.dek !== dekIdOf(record.job, record.object)) {
    throw new MalformedError(format, "dek is not the id derived from job and object")
  }
}

/** The bytes of a key record; throws `MalformedError` for a value the format does not allow. */
export const printKeyRecord = (record: KeyRecord): Uint8Array => {
  checkDek(record)
  return encode(
    joinLines([
      format,
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
      `wrapped ${Base64.encode(record.wrapped)}`
    ]),
    format
  )
}

/** Reads a key record; throws `MalformedError` for anything {@link printKeyRecord} would not print. */
export const parseKeyRecord = (bytes: Uint8Array): KeyRecord => {
  const lines = new Lines(format, decode(bytes, format))
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
    wrapped: lines.field("wrapped", (_, text) => Base64.decode(text))
  }
  lines.end()
  checkDek(record)
  return record
}
