/**
 * DER (ITU-T X.690 §10, §11): a strict reader of the parts that certificates and timestamp tokens are made of, and a
 * printer. Indefinite and non-minimal lengths, long tags and trailing bytes are refused.
 */
import * as Bytes from "../Bytes.ts"
import { MalformedError } from "../Malformed.ts"

const format = "DER"

/** Identifier octets. */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  generalizedTime: 0x18
} as const

/** The identifier octet of a constructed context tag `[number]`. */
export const context = (number: number): number => 0xa0 + number
/** The identifier octet of a primitive context tag `[number]`. */
export const primitiveContext = (number: number): number => 0x80 + number

/** One value: its identifier octet, its contents, and all its bytes. */
export interface DerValue {
  readonly tag: number
  readonly content: Uint8Array
  readonly whole: Uint8Array
}

const fail = (reason: string): never => {
  throw new MalformedError(format, reason)
}

const readValue = (bytes: Uint8Array, at: number): DerValue => {
  const [tag, first] = [bytes[at], bytes[at + 1]]
  if (tag === undefined || first === undefined) return fail("it ends within a value")
  if ((tag & 0x1f) === 0x1f) return fail("a tag of several bytes")
  let length = first
  let begin = at + 2
  if (first >= 0x80) {
    const count = first - 0x80
    if (count === 0 || count > 4) return fail("an indefinite or unreasonable length")
    length = 0
    for (const byte of bytes.subarray(begin, begin + count)) length = length * 256 + byte
    begin += count
    if (length < 0x80 || length < 256 ** (count - 1)) return fail("a length that is not minimal")
  }
  const end = begin + length
  if (end > bytes.length) return fail("a value runs past the end")
  return { tag, content: bytes.subarray(begin, end), whole: bytes.subarray(at, end) }
}

/** The one value that the bytes are; throws {@link MalformedError}, also for trailing bytes. */
export const parseDer = (bytes: Uint8Array): DerValue => {
  const value = readValue(bytes, 0)
  return value.whole.length === bytes.length ? value : fail("bytes after the value")
}

/** The values that the contents of a value are. */
export const children = (value: DerValue): Array<DerValue> => {
  const values: Array<DerValue> = []
  for (let at = 0; at < value.content.length;) {
    const child = readValue(value.content, at)
    values.push(child)
    at += child.whole.length
  }
  return values
}

/** Walks the parts of a constructed value in order; every part must be asked for, and {@link Parts.end} called last. */
export class Parts {
  readonly #parts: ReadonlyArray<DerValue>
  #at = 0

  constructor(value: DerValue, tag: number) {
    if (value.tag !== tag) fail(`tag 0x${value.tag.toString(16)}, expected 0x${tag.toString(16)}`)
    this.#parts = children(value)
  }

  /** The next part, which must have this tag. */
  take(tag: number): DerValue {
    return this.optional(tag) ??
      fail(`tag 0x${this.#parts[this.#at]?.tag.toString(16) ?? "-"}, expected 0x${tag.toString(16)}`)
  }

  /** The next part if it has this tag. */
  optional(tag: number): DerValue | null {
    const part = this.#parts[this.#at]
    if (part?.tag !== tag) return null
    this.#at += 1
    return part
  }

  /** The next part, whatever it is. */
  any(): DerValue {
    const part = this.#parts[this.#at] ?? fail("a part is missing")
    this.#at += 1
    return part
  }

  /** The parts that are left. */
  rest(): ReadonlyArray<DerValue> {
    const rest = this.#parts.slice(this.#at)
    this.#at = this.#parts.length
    return rest
  }

  /** There must be no further part. */
  end(): void {
    if (this.#at !== this.#parts.length) fail("a part that does not belong there")
  }
}

/** The bytes of an integer, minimal two's complement. */
export const integer = (value: DerValue): Uint8Array => {
  const [first, second] = value.content
  if (value.tag !== tags.integer || first === undefined) return fail("not an integer")
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
    return fail("an integer that is not minimal")
  }
  return value.content
}

/** An integer from 0 to 2^31 − 1. */
export const smallInteger = (value: DerValue): number => {
  const bytes = integer(value)
  if (bytes.length > 4 || (bytes[0] ?? 0) >= 0x80) return fail("an integer out of range")
  return bytes.reduce((number, byte) => number * 256 + byte, 0)
}

/** An object identifier in dotted decimal. */
export const oid = (value: DerValue): string => {
  const last = value.content.at(-1)
  if (value.tag !== tags.oid || last === undefined || last >= 0x80) return fail("not an object identifier")
  const arcs: Array<number> = []
  let arc = 0
  let fresh = true
  for (const byte of value.content) {
    if (fresh && byte === 0x80) return fail("an object identifier that is not minimal")
    arc = arc * 128 + (byte & 0x7f)
    if (!Number.isSafeInteger(arc)) return fail("an object identifier out of range")
    fresh = byte < 0x80
    if (!fresh) continue
    if (arcs.length === 0) arcs.push(Math.min(2, Math.floor(arc / 40)), arc - 40 * Math.min(2, Math.floor(arc / 40)))
    else arcs.push(arc)
    arc = 0
  }
  return arcs.join(".")
}

/** A boolean: 0x00 or 0xff. */
export const boolean = (value: DerValue): boolean => {
  const [byte] = value.content
  if (value.tag !== tags.boolean || value.content.length !== 1 || (byte !== 0 && byte !== 0xff)) {
    return fail("not a boolean")
  }
  return byte === 0xff
}

/** The whole bytes of a bit string without unused bits. */
export const bitString = (value: DerValue): Uint8Array => {
  if (value.tag !== tags.bitString || value.content[0] !== 0) return fail("not a bit string of whole bytes")
  return value.content.subarray(1)
}

const time = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d*[1-9]))?Z$/

/** A UTCTime or GeneralizedTime in Unix ms; fractions of a millisecond are cut off. */
export const moment = (value: DerValue): number => {
  const text = String.fromCharCode(...value.content)
  const century = value.tag === tags.utcTime ? (Number(text.slice(0, 2)) >= 50 ? "19" : "20") : ""
  if (value.tag !== tags.utcTime && value.tag !== tags.generalizedTime) return fail("not a time")
  const [whole, year, month, day, hour, minute, second, fraction = ""] = time.exec(`${century}${text}`) ?? []
  if (whole === undefined || (value.tag === tags.utcTime && fraction !== "")) return fail(`"${text}" is not a time`)
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}`
  const ms = Date.parse(`${iso}Z`)
  // A day that the month has not is moved to the next one by Date.
  if (Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(iso)) return fail(`"${text}" is not a time`)
  return ms + Number(fraction.slice(0, 3).padEnd(3, "0"))
}

/** Prints a value. */
export const printDer = (tag: number, ...contents: ReadonlyArray<Uint8Array>): Uint8Array => {
  const { length } = Bytes.concat(...contents)
  const octets: Array<number> = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256)
  const size = length < 0x80 ? [length] : [0x80 + octets.length, ...octets]
  return Bytes.concat(Uint8Array.of(tag, ...size), ...contents)
}

/** Prints an object identifier of dotted decimal. */
export const printOid = (dotted: string): Uint8Array => {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number)
  const octets = [first * 40 + second, ...rest].flatMap((arc) => {
    const groups = [arc % 128]
    for (let above = Math.floor(arc / 128); above > 0; above = Math.floor(above / 128)) {
      groups.unshift(above % 128 + 128)
    }
    return groups
  })
  return printDer(tags.oid, Uint8Array.from(octets))
}
