/**
 * The file that holds what a signer last signed for one origin. It ends with its own SHA-256: a damaged file is an
 * error, never a fresh start, for a signer that forgets could sign a second history.
 */
import { decode, encode } from "@rainlogs/verify/Ascii"
import * as Field from "@rainlogs/verify/Field"
import { sha256 } from "@rainlogs/verify/Hash"
import * as Hex from "@rainlogs/verify/Hex"
import { joinLines, Lines } from "@rainlogs/verify/Lines"
import { MalformedError } from "@rainlogs/verify/Malformed"

const format = "rainlogs-signer-state/v1"

/** The last signed tree, and the latest time stated by the clock (Unix seconds), which never runs backwards. */
export interface StoredState {
  readonly size: number
  readonly root: Uint8Array
  readonly clock: number
}

const body = (origin: string, state: StoredState): string =>
  joinLines([
    format,
    `origin ${origin}`,
    `size ${Field.count(format, state.size)}`,
    `root ${Hex.encode(state.root)}`,
    `clock ${Field.count(format, state.clock)}`
  ])

const checksum = (text: string): string => Hex.encode(sha256(encode(text, format)))

/** The file. */
export const printState = (origin: string, state: StoredState): Uint8Array => {
  const text = body(origin, state)
  return encode(`${text}sha256 ${checksum(text)}\n`, format)
}

/** Reads the file; throws {@link MalformedError} for any changed or missing byte, or another origin's file. */
export const parseState = (origin: string, bytes: Uint8Array): StoredState => {
  const lines = new Lines(format, decode(bytes, format))
  const named = lines.field("origin", Field.origin)
  const state = {
    size: lines.field("size", Field.parseCount),
    root: Hex.decode(lines.field("root", Field.hash), 32),
    clock: lines.field("clock", Field.parseCount)
  }
  const stated = lines.field("sha256", Field.hash)
  lines.end()
  if (named !== origin) throw new MalformedError(format, `belongs to ${named}`)
  if (stated !== checksum(body(named, state))) throw new MalformedError(format, "the checksum does not match")
  return state
}
