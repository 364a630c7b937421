/**
 * The field grammar shared by entries and documents (ledger format §1, §3): numbers, hashes, UUIDs, origins, chains,
 * tokens. Every function answers the value or throws {@link MalformedError}; parsers and printers use the same ones.
 */
import { isPrintable } from "./Ascii.ts"
import { isHash } from "./Hex.ts"
import { MalformedError } from "./Malformed.ts"

const decimal = /^(?:0|[1-9][0-9]{0,15})$/
const uuidPattern = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
const uuidOnly = new RegExp(`^${uuidPattern}$`)
const originOnly = new RegExp(`^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[1-9][0-9]{0,4})?/t/${uuidPattern}$`)
const tokenOnly = /^[\x21-\x7e]+$/

const fail = (format: string, reason: string): never => {
  throw new MalformedError(format, reason)
}

/** A non-negative safe integer. */
export const count = (format: string, value: number): number =>
  Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0)
    ? value
    : fail(format, `${value} is not an integer from 0 to 2^53 - 1`)

/** Reads an ASCII decimal without leading zeros, at most 2^53 − 1. */
export const parseCount = (format: string, text: string): number =>
  decimal.test(text) ? count(format, Number(text)) : fail(format, `"${text}" is not a plain decimal number`)

/** A lower-case UUID of 36 characters. */
export const uuid = (format: string, text: string): string =>
  uuidOnly.test(text) ? text : fail(format, `"${text}" is not a lower-case UUID`)

/** A SHA-256 in 64 lower-case hex digits. */
export const hash = (format: string, text: string): string =>
  isHash(text) ? text : fail(format, `"${text}" is not a SHA-256 in lower-case hex`)

// Every entry of a ledger names the same origin: the last good one need not be judged again.
let lastOrigin = ""

/** An origin, `<archive-domain>/t/<tenant-uuid>` (ledger format §1). */
export const origin = (format: string, text: string): string => {
  if (text === lastOrigin && text !== "") return text
  if (!originOnly.test(text)) return fail(format, `"${text}" is not <archive-domain>/t/<tenant-uuid>`)
  lastOrigin = text
  return text
}

/** A chain: a zone's UUID, or `control`. */
export const chain = (format: string, text: string): string =>
  text === "control" || uuidOnly.test(text) ? text : fail(format, `"${text}" is neither a zone's UUID nor "control"`)

/** One or more printable characters without a space. */
export const token = (format: string, text: string): string =>
  tokenOnly.test(text) ? text : fail(format, `"${text}" is not one printable word`)

/** Printable text on one line, not empty, without a space at either end. */
export const phrase = (format: string, text: string): string =>
  text !== "" && isPrintable(text) && !text.startsWith(" ") && !text.endsWith(" ")
    ? text
    : fail(format, `"${text}" is not one line of printable ASCII without outer spaces`)

/** One of the allowed words. */
export const oneOf = <const Word extends string>(format: string, words: ReadonlyArray<Word>, text: string): Word =>
  words.find((word) => word === text) ?? fail(format, `"${text}" is none of ${words.join(", ")}`)

/** `-` for null, else the value. */
export const printOptional = (value: string | null): string => value ?? "-"

/** Null for `-`, else what `parse` makes of the text. */
export const parseOptional = (
  format: string,
  text: string,
  parse: (format: string, text: string) => string
): string | null => text === "-" ? null : parse(format, text)

/** The fields must be strictly ascending by byte order of their sort key (sorted, no duplicate). */
export const ascending = <Item>(format: string, items: ReadonlyArray<Item>, key: (item: Item) => string): void => {
  for (let i = 1; i < items.length; i++) {
    const [before, after] = [items[i - 1], items[i]]
    if (before !== undefined && after !== undefined && !(key(before) < key(after))) {
      fail(format, `"${key(after)}" must not follow "${key(before)}" (sorted, no duplicates)`)
    }
  }
}
