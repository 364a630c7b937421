/**
 * The file that holds one origin's two Ed25519 seeds (log and clock), wrapped by the signer's key with AES-256-GCM.
 * The additional data are the lines above the seeds, so a file cannot be passed off as another origin's.
 */
import { encode as ascii } from "@rainlogs/verify/Ascii"
import * as Base64 from "@rainlogs/verify/Base64"
import { concat, equal } from "@rainlogs/verify/Bytes"
import * as Ed25519 from "@rainlogs/verify/Ed25519"
import { joinLines, Lines } from "@rainlogs/verify/Lines"
import { MalformedError } from "@rainlogs/verify/Malformed"
import type { NoteSigner } from "@rainlogs/verify/Note"
import { makeVerifierKey, parseVerifierKey, printVerifierKey } from "@rainlogs/verify/VerifierKey"
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"

const format = "rainlogs-signer-keys/v1"

/** The two seeds of an origin, 32 random bytes each. */
export interface SignerSeeds {
  readonly log: Uint8Array
  readonly clock: Uint8Array
}

/** The two signing keys of an origin: `log` of type 1 named after it, `clock` of type 4 named `<origin>/clock`. */
export interface SignerKeys {
  readonly log: NoteSigner
  readonly clock: NoteSigner
}

/** The keys that the seeds make for an origin. */
export const keysOf = (origin: string, seeds: SignerSeeds): SignerKeys => ({
  log: { key: makeVerifierKey(origin, 1, Ed25519.publicKey(seeds.log)), seed: seeds.log },
  clock: { key: makeVerifierKey(`${origin}/clock`, 4, Ed25519.publicKey(seeds.clock)), seed: seeds.clock }
})

const head = (origin: string, log: string, clock: string): string =>
  joinLines([format, `origin ${origin}`, `log ${log}`, `clock ${clock}`])

/** The file; `wrappingKey` has 32 bytes. */
export const printKeyFile = (origin: string, keys: SignerKeys, wrappingKey: Uint8Array): Uint8Array => {
  const lines = head(origin, printVerifierKey(keys.log.key), printVerifierKey(keys.clock.key))
  const nonce = randomBytes(12)
  const cipher = createCipheriv("aes-256-gcm", wrappingKey, nonce).setAAD(ascii(lines))
  const wrapped = concat(
    nonce,
    cipher.update(concat(keys.log.seed, keys.clock.seed)),
    cipher.final(),
    cipher.getAuthTag()
  )
  return ascii(`${lines}seeds ${Base64.encode(wrapped)}\n`)
}

/** The origin that the file says it belongs to; nothing of it is checked. Throws {@link MalformedError}. */
export const originOfKeyFile = (bytes: Uint8Array): string =>
  new Lines(format, new TextDecoder("latin1").decode(bytes)).field("origin", (_, text) => text)

/**
 * Reads the file; throws {@link MalformedError} if it is not in the format, belongs to another origin, was changed, or
 * was wrapped with another key. The message holds no secret.
 */
export const parseKeyFile = (origin: string, bytes: Uint8Array, wrappingKey: Uint8Array): SignerKeys => {
  const lines = new Lines(format, new TextDecoder("latin1").decode(bytes))
  const named = lines.field("origin", (_, text) => text)
  const log = lines.field("log", (_, text) => parseVerifierKey(text))
  const clock = lines.field("clock", (_, text) => parseVerifierKey(text))
  const wrapped = lines.field("seeds", (_, text) => Base64.decode(text))
  lines.end()
  if (named !== origin) throw new MalformedError(format, `belongs to ${named}`)
  if (wrapped.length !== 12 + 64 + 16) throw new MalformedError(format, "the wrapped seeds have another length")
  const decipher = createDecipheriv("aes-256-gcm", wrappingKey, wrapped.subarray(0, 12))
    .setAAD(ascii(head(named, printVerifierKey(log), printVerifierKey(clock))))
    .setAuthTag(wrapped.subarray(76))
  let seeds: Uint8Array
  try {
    seeds = concat(decipher.update(wrapped.subarray(12, 76)), decipher.final())
  } catch {
    throw new MalformedError(
      format,
      "the seeds do not open: the file was changed, or it belongs to another wrapping key"
    )
  }
  const keys = keysOf(origin, { log: seeds.slice(0, 32), clock: seeds.slice(32) })
  if (!equal(keys.log.key.publicKey, log.publicKey) || !equal(keys.clock.key.publicKey, clock.publicKey)) {
    throw new MalformedError(format, "the seeds do not belong to the named keys")
  }
  return keys
}
