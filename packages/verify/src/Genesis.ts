/**
 * `rainlogs-genesis/v1` (ledger format §3): the first document of a ledger names its origin and its keys. The text of a
 * signed note, signed by the log.
 */
import { encode } from "./Ascii.ts"
import * as Field from "./Field.ts"
import { joinLines, Lines } from "./Lines.ts"
import { MalformedError } from "./Malformed.ts"
import { parseVerifierKey, printVerifierKey, type VerifierKey } from "./VerifierKey.ts"

const format = "rainlogs-genesis/v1"

/** The ledger's origin, the key that signs its checkpoints and the key that states their time. */
export interface Genesis {
  readonly origin: string
  /** Type 1, named after the origin. */
  readonly log: VerifierKey
  /** Type 4, named `<origin>/clock`. */
  readonly clock: VerifierKey
}

const check = (genesis: Genesis): Genesis => {
  const { origin, log, clock } = genesis
  if (log.type !== 1 || log.name !== origin) {
    throw new MalformedError(format, "the log's key is of type 1, named origin")
  }
  if (clock.type !== 4 || clock.name !== `${origin}/clock`) {
    throw new MalformedError(format, "the clock's key is of type 4, named <origin>/clock")
  }
  return genesis
}

/** The note text. */
export const printGenesis = (genesis: Genesis): string => {
  const { origin, log, clock } = check(genesis)
  const text = joinLines([
    format,
    `origin ${Field.origin(format, origin)}`,
    `log ${printVerifierKey(log)}`,
    `clock ${printVerifierKey(clock)}`
  ])
  encode(text, format)
  return text
}

/** Reads the note text; throws {@link MalformedError}. */
export const parseGenesis = (text: string): Genesis => {
  encode(text, format)
  const lines = new Lines(format, text)
  const genesis = {
    origin: lines.field("origin", Field.origin),
    log: lines.field("log", (_, key) => parseVerifierKey(key)),
    clock: lines.field("clock", (_, key) => parseVerifierKey(key))
  }
  lines.end()
  return check(genesis)
}
