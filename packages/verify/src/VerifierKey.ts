/**
 * C2SP signed-note verifier keys, `<name>+<id, 8 hex>+<base64(type ∥ public key)>`: what an auditor is given to trust.
 */
import { decode as base64, encode as toBase64 } from "./Base64.ts"
import { concat } from "./Bytes.ts"
import { sha256 } from "./Hash.ts"
import { MalformedError } from "./Malformed.ts"

const format = "verifier key"

/** An Ed25519 key (type 1) or a timestamped cosignature key (type 4, C2SP tlog-cosignature). */
export interface VerifierKey {
  readonly name: string
  /** uint32: the first four bytes of `SHA-256(name ∥ "\n" ∥ type ∥ public key)`. */
  readonly id: number
  readonly type: 1 | 4
  /** 32 bytes. */
  readonly publicKey: Uint8Array
}

/** Whether the text can name a key: not empty, no white space, no control character, no plus sign. */
export const isKeyName = (name: string): boolean => name !== "" && !/[\s\p{Z}\p{Cc}+]/u.test(name)

/** Four bytes as a big-endian uint32. */
export const readKeyId = (bytes: Uint8Array): number =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0)

/** The key id as it begins a signature: four bytes, big-endian. */
export const keyIdBytes = (id: number): Uint8Array => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, id)
  return bytes
}

/** The key id as it is written: 8 hex digits. */
export const printKeyId = (id: number): string => id.toString(16).padStart(8, "0")

/** The key with its id computed; throws {@link MalformedError} for a bad name or a public key that has not 32 bytes. */
export const makeVerifierKey = (name: string, type: 1 | 4, publicKey: Uint8Array): VerifierKey => {
  if (!isKeyName(name)) throw new MalformedError(format, "a key name has no white space and no plus sign")
  if (publicKey.length !== 32) {
    throw new MalformedError(format, `a public key of ${publicKey.length} bytes, expected 32`)
  }
  const id = readKeyId(sha256(new TextEncoder().encode(`${name}\n`), Uint8Array.of(type), publicKey))
  return { name, id, type, publicKey }
}

/** Prints the key as text. */
export const printVerifierKey = (key: VerifierKey): string =>
  `${key.name}+${printKeyId(key.id)}+${toBase64(concat(Uint8Array.of(key.type), key.publicKey))}`

/** Reads a key; throws {@link MalformedError} when any character was changed or lost (the id binds name and key). */
export const parseVerifierKey = (text: string): VerifierKey => {
  const [name = "", idText = "", ...rest] = text.split("+")
  const bytes = base64(rest.join("+"))
  const type = bytes[0]
  if (type !== 1 && type !== 4) {
    throw new MalformedError(format, `key type ${type}, expected 1 (Ed25519) or 4 (cosignature)`)
  }
  const key = makeVerifierKey(name, type, bytes.slice(1))
  if (idText !== printKeyId(key.id)) {
    throw new MalformedError(format, `the id "${idText}" does not belong to this name and public key`)
  }
  return key
}

/** Whether both are the same key. */
export const sameKey = (left: VerifierKey, right: VerifierKey): boolean =>
  printVerifierKey(left) === printVerifierKey(right)
