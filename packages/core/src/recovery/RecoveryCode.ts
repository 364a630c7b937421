/**
 * The recovery code: the secrets that a lost data directory is restored from, as text that can be printed and typed in.
 *
 * Rows of 8 secret bytes with a check of 2, and at last a check of 5 over all, in base32 (RFC 4648) without padding:
 * 16 characters a row, in groups of 4. A row's check is the beginning of SHA-256 over its number and bytes, so that a
 * typing error or two exchanged rows are named. The signer's wrapping key comes first, then the master key, if it is on
 * the sheet at all.
 */
import { concat, equal } from "@rainlogs/verify/Bytes"
import { sha256 } from "@rainlogs/verify/Hash"
import * as Hex from "@rainlogs/verify/Hex"
import { Schema } from "effect"

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
const keyBytes = 32
const rowBytes = 8
const rowCharacters = 16
const lastCharacters = 8
const name = "rainlogs-recovery/v1"
/** What a scanned code begins with. */
const prefix = "RAINLOGS1:"
const begin = "-----BEGIN RAINLOGS RECOVERY CODE-----"
const end = "-----END RAINLOGS RECOVERY CODE-----"

/** The code was mistyped or is incomplete; the message says where, and holds nothing of the code. */
export class RecoveryCodeWrong extends Schema.TaggedError<RecoveryCodeWrong>()("RecoveryCodeWrong", {
  detail: Schema.String
}) {
  override get message(): string {
    return `The recovery code is not right: ${this.detail}.`
  }
}

/** Keys of 32 bytes each. The master key is null when it comes from the environment and is kept elsewhere. */
export interface RecoverySecrets {
  readonly wrappingKey: Uint8Array
  readonly masterKey: Uint8Array | null
}

const digest = (label: string, bytes: Uint8Array, length: number): Uint8Array =>
  sha256(concat(new TextEncoder().encode(`${name}\n${label}\n`), bytes)).subarray(0, length)

/** Eight bytes in hex that name a key and say nothing about it. */
export const keyFingerprint = (key: Uint8Array): string => Hex.encode(digest("fingerprint", key, 8))

/** Names the pair of secrets: which sheet fits which data directory. */
export const secretsFingerprint = (secrets: RecoverySecrets): string =>
  [secrets.wrappingKey, ...secrets.masterKey === null ? [] : [secrets.masterKey]].map(keyFingerprint).join("-")

const toBase32 = (bytes: Uint8Array): string => {
  let [text, bits, value] = ["", 0, 0]
  for (const byte of bytes) {
    value = value << 8 | byte
    for (bits += 8; bits >= 5; bits -= 5) text += alphabet[value >>> bits - 5 & 31]
    value &= (1 << bits) - 1
  }
  return text
}

const fromBase32 = (text: string): Uint8Array => {
  const bytes: Array<number> = []
  let [bits, value] = [0, 0]
  for (const character of text) {
    value = value << 5 | alphabet.indexOf(character)
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes.push(value >>> bits)
    value &= (1 << bits) - 1
  }
  return Uint8Array.from(bytes)
}

const rowsOf = (secrets: RecoverySecrets): Array<string> => {
  const bytes = concat(secrets.wrappingKey, secrets.masterKey ?? new Uint8Array())
  const rows = Array.from({ length: bytes.length / rowBytes }, (_, index) => {
    const part = bytes.subarray(index * rowBytes, (index + 1) * rowBytes)
    return toBase32(concat(part, digest(`row ${index + 1}`, part, 2)))
  })
  return [...rows, toBase32(digest("all", bytes, 5))]
}

/** The code for a sheet: a framed block of numbered rows. */
export const printRecoveryCode = (secrets: RecoverySecrets): string =>
  [
    begin,
    ...rowsOf(secrets).map((row, index) => `${index + 1}: ${row.match(/.{4}/g)?.join("-") ?? ""}`),
    end
  ].join("\n")

/** The same on one line, for a QR code: only characters of its alphanumeric mode. */
export const scannedRecoveryCode = (secrets: RecoverySecrets): string => `${prefix}${rowsOf(secrets).join("")}`

const framed = (text: string): string => {
  const from = text.indexOf(begin)
  if (from === -1) return text
  const to = text.indexOf(end, from)
  return to === -1 ? text.slice(from + begin.length) : text.slice(from + begin.length, to)
}

// What people type: lower case, blanks, and the digits that look like letters.
const normalise = (row: string): string =>
  row.trim().toUpperCase().replace(prefix, "").replace(/^\d+\s*[:.)]/, "").replaceAll(/[\s-]/g, "")
    .replaceAll("0", "O").replaceAll("1", "I").replaceAll("8", "B")

const lengths = [keyBytes, 2 * keyBytes].map((bytes) => bytes / rowBytes * rowCharacters + lastCharacters)

/**
 * Reads a sheet, a scanned code or what was typed; throws {@link RecoveryCodeWrong}. Case, blanks, hyphens and row
 * numbers do not count.
 */
export const parseRecoveryCode = (text: string): RecoverySecrets => {
  const typed = framed(text).split("\n").map(normalise).filter((row) => row !== "")
  const code = typed.join("")
  const wrong = (detail: string) => new RecoveryCodeWrong({ detail })
  const foreign = typed.findIndex((row) => [...row].some((character) => !alphabet.includes(character)))
  if (foreign !== -1) throw wrong(`row ${foreign + 1} has a character that no code has; it is of A-Z and 2-7`)
  if (!lengths.includes(code.length)) {
    const row = typed.findIndex((row, index) =>
      row.length !== (index === typed.length - 1 ? lastCharacters : rowCharacters)
    )
    const where = typed.length > 1 && row !== -1 ? `; look at row ${row + 1}` : ""
    throw wrong(`it has ${code.length} characters instead of ${lengths.join(" or ")}${where}`)
  }
  const count = (code.length - lastCharacters) / rowCharacters
  const rows = Array.from(
    { length: count },
    (_, index) => fromBase32(code.slice(index * rowCharacters, (index + 1) * rowCharacters))
  )
  const bad = rows.flatMap((row, index) => {
    const part = row.subarray(0, rowBytes)
    return equal(row.subarray(rowBytes), digest(`row ${index + 1}`, part, 2)) ? [] : [index + 1]
  })
  if (bad.length > 0) throw wrong(`row ${bad.join(", ")} was mistyped, or is not in its place`)
  const bytes = concat(...rows.map((row) => row.subarray(0, rowBytes)))
  if (!equal(fromBase32(code.slice(count * rowCharacters)), digest("all", bytes, 5))) {
    throw wrong(`row ${count + 1} was mistyped, or the rows are of two sheets`)
  }
  return {
    wrappingKey: bytes.slice(0, keyBytes),
    masterKey: bytes.length > keyBytes ? bytes.slice(keyBytes) : null
  }
}
