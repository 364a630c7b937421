/**
 * `rainlogs-hold/v1` (ledger format §7): while a legal hold is active nothing in its scope may be erased. The text of a
 * signed note, signed by the log.
 */
import { encode } from "./Ascii.ts"
import * as Field from "./Field.ts"
import { joinLines, Lines } from "./Lines.ts"
import { MalformedError } from "./Malformed.ts"

const format = "rainlogs-hold/v1"

/** `to` of a scope without an end: the largest number the format can carry. */
export const openEnd = Number.MAX_SAFE_INTEGER

/** Windows `[from, to)` (ms) of one chain, or of every chain (`*`). */
export interface HoldScope {
  readonly chain: string
  readonly from: number
  readonly to: number
}

/** A legal hold; times in ms. */
export interface Hold {
  readonly origin: string
  readonly id: string
  /** At least one, sorted by chain, then `from`. */
  readonly scopes: ReadonlyArray<HoldScope>
  /** Opaque reference to the legal basis. */
  readonly basis: string
  readonly issued: number
}

const anyChain = (name: string, text: string): string => text === "*" ? text : Field.chain(name, text)

const check = (hold: Hold): Hold => {
  if (hold.scopes.length === 0) throw new MalformedError(format, "no scope")
  if (hold.scopes.some(({ from, to }) => from >= to)) throw new MalformedError(format, "a scope is empty or reversed")
  const key = ({ chain, from, to }: HoldScope) =>
    `${chain} ${String(from).padStart(16, "0")} ${String(to).padStart(16, "0")}`
  Field.ascending(format, hold.scopes, key)
  return hold
}

/** The note text. */
export const printHold = (hold: Hold): string => {
  check(hold)
  const text = joinLines([
    format,
    `origin ${Field.origin(format, hold.origin)}`,
    `id ${Field.uuid(format, hold.id)}`,
    ...hold.scopes.map(({ chain, from, to }) =>
      `scope ${anyChain(format, chain)} ${Field.count(format, from)} ${Field.count(format, to)}`
    ),
    `basis ${Field.phrase(format, hold.basis)}`,
    `issued ${Field.count(format, hold.issued)}`
  ])
  encode(text, format)
  return text
}

/** Reads the note text; throws {@link MalformedError}. */
export const parseHold = (text: string): Hold => {
  encode(text, format)
  const lines = new Lines(format, text)
  const hold = {
    origin: lines.field("origin", Field.origin),
    id: lines.field("id", Field.uuid),
    scopes: lines.repeated("scope", () =>
      lines.words("scope", 3, (_, [chain = "", from = "", to = ""]): HoldScope => ({
        chain: anyChain(format, chain),
        from: Field.parseCount(format, from),
        to: Field.parseCount(format, to)
      }))),
    basis: lines.field("basis", Field.phrase),
    issued: lines.field("issued", Field.parseCount)
  }
  lines.end()
  return check(hold)
}
