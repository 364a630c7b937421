/**
 * `rainlogs-keys/v1` (ledger format §4, §6): the ledger's keys from its entry on, and the keys revoked so far. The text
 * of a signed note with the lines of the log key in force before and of the new one.
 */
import { encode } from "./Ascii.ts"
import * as Field from "./Field.ts"
import { joinLines, Lines } from "./Lines.ts"
import { MalformedError } from "./Malformed.ts"
import { parseVerifierKey, printKeyId, printVerifierKey, type VerifierKey } from "./VerifierKey.ts"

const format = "rainlogs-keys/v1"

/** A key that must not be believed from a moment on. */
export interface Revocation {
  /** uint32 id of the key. */
  readonly id: number
  /** What it signed is believed only with a trusted time before this, ms. */
  readonly since: number
  /** One word: `compromised`, `lost`, `retired`… */
  readonly reason: string
}

/** The keys in force for tree sizes beyond the entry's leaf index. */
export interface Keys {
  readonly origin: string
  /** 2 for the first change (genesis is 1), one more with each. */
  readonly version: number
  /** The log's key in force before; the same as `log` when only the list of revoked keys changed. */
  readonly previous: VerifierKey
  /** Type 1, named after the origin. */
  readonly log: VerifierKey
  /** Type 4, named `<origin>/clock`. */
  readonly clock: VerifierKey
  /** The whole list so far, sorted by key id. */
  readonly revoked: ReadonlyArray<Revocation>
}

const parseId = (text: string): number => {
  if (!/^[0-9a-f]{8}$/.test(text)) throw new MalformedError(format, `"${text}" is not a key id of 8 hex digits`)
  return Number.parseInt(text, 16)
}

const check = (keys: Keys): Keys => {
  const { origin, version, previous, log, clock, revoked } = keys
  if (version < 2) throw new MalformedError(format, "the genesis is version 1, so a change is 2 or more")
  if ([previous, log].some(({ name, type }) => type !== 1 || name !== origin)) {
    throw new MalformedError(format, "the log's keys are of type 1, named origin")
  }
  if (clock.type !== 4 || clock.name !== `${origin}/clock`) {
    throw new MalformedError(format, "the clock's key is of type 4, named <origin>/clock")
  }
  Field.ascending(format, revoked, ({ id }) => printKeyId(id))
  if (revoked.some(({ id }) => id === log.id || id === clock.id)) {
    throw new MalformedError(format, "a key in force is revoked")
  }
  return keys
}

/** The note text. */
export const printKeys = (keys: Keys): string => {
  const { origin, version, previous, log, clock, revoked } = check(keys)
  const text = joinLines([
    format,
    `origin ${Field.origin(format, origin)}`,
    `version ${Field.count(format, version)}`,
    `previous ${printVerifierKey(previous)}`,
    `log ${printVerifierKey(log)}`,
    `clock ${printVerifierKey(clock)}`,
    ...revoked.map(({ id, since, reason }) =>
      `revoked ${printKeyId(id)} ${Field.count(format, since)} ${Field.token(format, reason)}`
    )
  ])
  encode(text, format)
  return text
}

/** Reads the note text; throws {@link MalformedError}. */
export const parseKeys = (text: string): Keys => {
  encode(text, format)
  const lines = new Lines(format, text)
  const keys = {
    origin: lines.field("origin", Field.origin),
    version: lines.field("version", Field.parseCount),
    previous: lines.field("previous", (_, key) => parseVerifierKey(key)),
    log: lines.field("log", (_, key) => parseVerifierKey(key)),
    clock: lines.field("clock", (_, key) => parseVerifierKey(key)),
    revoked: lines.repeated(
      "revoked",
      () =>
        lines.words("revoked", 3, (_, [id = "", since = "", reason = ""]): Revocation => ({
          id: parseId(id),
          since: Field.parseCount(format, since),
          reason: Field.token(format, reason)
        }))
    )
  }
  lines.end()
  return check(keys)
}
