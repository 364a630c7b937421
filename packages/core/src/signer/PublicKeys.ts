/**
 * `rainlogs-signer-public/v1`: the signer process's answer about an origin's keys, the text of a note signed with the
 * log key it names, so that the answer shows that the key is held.
 */
import * as Field from "@rainlogs/verify/Field"
import { joinLines, Lines } from "@rainlogs/verify/Lines"
import { MalformedError } from "@rainlogs/verify/Malformed"
import { parseVerifierKey, printVerifierKey, type VerifierKey } from "@rainlogs/verify/VerifierKey"

const format = "rainlogs-signer-public/v1"

/** The two public keys of an origin: `log` of type 1 named after it, `clock` of type 4 named `<origin>/clock`. */
export interface PublicKeys {
  readonly origin: string
  readonly log: VerifierKey
  readonly clock: VerifierKey
}

/** The note text. */
export const printPublicKeys = ({ clock, log, origin }: PublicKeys): string =>
  joinLines([format, `origin ${origin}`, `log ${printVerifierKey(log)}`, `clock ${printVerifierKey(clock)}`])

/** Reads the note text; throws {@link MalformedError}. */
export const parsePublicKeys = (text: string): PublicKeys => {
  const lines = new Lines(format, text)
  const origin = lines.field("origin", Field.origin)
  const log = lines.field("log", (_, key) => parseVerifierKey(key))
  const clock = lines.field("clock", (_, key) => parseVerifierKey(key))
  lines.end()
  if (log.type !== 1 || log.name !== origin || clock.type !== 4 || clock.name !== `${origin}/clock`) {
    throw new MalformedError(format, "names keys that are not this origin's")
  }
  return { origin, log, clock }
}
