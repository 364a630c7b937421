/**
 * Adapter of `Kms` on one 32-byte master key, from a private file or from the environment. Every customer has an own
 * key-encryption key, derived with HKDF-SHA256 (RFC 5869); secrets are wrapped with AES-256-GCM under a random nonce.
 */
import * as Base64 from "@rainlogs/verify/Base64"
import { Config, Effect, Layer, Option, Redacted } from "effect"
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from "node:crypto"
import type { CustomerId } from "../domain/Identifier.ts"
import { Kms, KmsError, type Wrapped } from "./Kms.ts"
import { loadMasterKey, loadOrMakeMasterKey, masterKeyFault } from "./MasterKeyFile.ts"

const nonceBytes = 12
const tagBytes = 16

const expand = (master: Uint8Array, purpose: string, customer: CustomerId): Buffer =>
  Buffer.from(hkdfSync("sha256", master, new Uint8Array(), Buffer.from(`${purpose}\0${customer}`, "latin1"), 32))

// The id comes from a derivation of its own, so that publishing it says nothing about the key.
const idOf = (master: Uint8Array, customer: CustomerId): string =>
  createHash("sha256").update("rainlogs-kek-id/v1\n").update(expand(master, "rainlogs-kek-id/v1", customer))
    .digest("hex").slice(0, 16)

/** The adapter on a given master key of 32 bytes. */
export const make = (masterKey: Redacted.Redacted<Uint8Array>): Kms["Service"] => {
  const master = Redacted.value(masterKey)

  const wrap = (customer: CustomerId, secret: Redacted.Redacted<Uint8Array>, aad: Uint8Array): Wrapped => {
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv("aes-256-gcm", expand(master, "rainlogs-kek/v1", customer), nonce)
    cipher.setAAD(aad)
    const ciphertext = [cipher.update(Redacted.value(secret)), cipher.final()]
    return {
      kek: idOf(master, customer),
      bytes: new Uint8Array(Buffer.concat([nonce, ...ciphertext, cipher.getAuthTag()]))
    }
  }

  const unwrap = (customer: CustomerId, { bytes, kek }: Wrapped, aad: Uint8Array) =>
    Effect.gen(function*() {
      const own = idOf(master, customer)
      if (kek !== own) {
        return yield* new KmsError({
          operation: "unwrap",
          kek,
          detail: `unknown key: this master key gives ${own}. Start with the master key the archive was written with`
        })
      }
      if (bytes.length < nonceBytes + tagBytes) return yield* new KmsError({ operation: "unwrap", kek, detail: "cut" })
      const secret = yield* Effect.try({
        try: () => {
          const decipher = createDecipheriv(
            "aes-256-gcm",
            expand(master, "rainlogs-kek/v1", customer),
            bytes.subarray(0, nonceBytes),
            { authTagLength: tagBytes }
          )
          decipher.setAAD(aad)
          decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes))
          const plain = decipher.update(bytes.subarray(nonceBytes, bytes.length - tagBytes))
          return new Uint8Array(Buffer.concat([plain, decipher.final()]))
        },
        catch: () =>
          new KmsError({ operation: "unwrap", kek, detail: "the wrapped key or its additional data was changed" })
      })
      return Redacted.make(secret, { label: "unwrapped key" })
    })

  return Kms.of({
    currentKek: (customer) => Effect.sync(() => idOf(master, customer)),
    wrap: (customer, secret, aad) => Effect.sync(() => wrap(customer, secret, aad)),
    unwrap
  })
}

const configured = Config.option(Config.Redacted("RAINLOGS_MASTER_KEY"))

const decodeConfigured = (text: Redacted.Redacted<string>) =>
  Effect.gen(function*() {
    const refused = (detail: string) =>
      new KmsError({ operation: "open", kek: "-", detail: `RAINLOGS_MASTER_KEY: ${detail}` })
    const key = yield* Effect.try({
      try: () => Base64.decode(Redacted.value(text)),
      catch: () => refused("expected 32 bytes in padded standard base64 (`openssl rand -base64 32` makes one)")
    })
    const fault = masterKeyFault(key)
    return fault === undefined ? Redacted.make(key, { label: "master key" }) : yield* refused(fault)
  })

/** The master key in `RAINLOGS_MASTER_KEY`, if there is one. */
export const configuredMasterKey = Effect.gen(function*() {
  const text = yield* configured
  return Option.isNone(text) ? Option.none() : Option.some(yield* decodeConfigured(text.value))
})

/**
 * The adapter on the master key in `RAINLOGS_MASTER_KEY` (base64), or in `file`, which is made at the first start. When
 * both exist they must be the same key: an archive written half with each could be read with neither.
 */
export const layer = (options: { readonly file: string }): Layer.Layer<Kms, KmsError | Config.ConfigError> =>
  Layer.effect(
    Kms,
    Effect.gen(function*() {
      const given = yield* configuredMasterKey
      if (Option.isNone(given)) return make(yield* loadOrMakeMasterKey(options.file))
      const key = given.value
      const stored = yield* loadMasterKey(options.file)
      if (Option.isSome(stored) && !Buffer.from(Redacted.value(stored.value)).equals(Redacted.value(key))) {
        return yield* new KmsError({
          operation: "open",
          kek: "-",
          detail:
            `RAINLOGS_MASTER_KEY and ${options.file} hold different keys: remove the one the archive was not written with`
        })
      }
      return make(key)
    })
  )
