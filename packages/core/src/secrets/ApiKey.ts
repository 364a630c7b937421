/**
 * API keys: `rl_<prefix>_<secret>`, both lower-case hexadecimal. The secret is 256 random bits, so its plain SHA-256
 * is safe to store and cheap to check; the prefix only finds the row.
 */
import { Effect, Option, Redacted } from "effect"
import { createHash, randomBytes, timingSafeEqual } from "node:crypto"

const shape = /^rl_([0-9a-f]{16})_([0-9a-f]{64})$/

/** An API key as presented: `prefix` is 16 hexadecimal digits, `secret` 64. */
export interface ApiKey {
  readonly prefix: string
  readonly secret: Redacted.Redacted<string>
}

/** What is stored of a key: enough to find and check it, nothing to use it with. `sha256` is hexadecimal. */
export interface StoredApiKey {
  readonly prefix: string
  readonly sha256: string
}

/** A new random key. */
export const make: Effect.Effect<ApiKey> = Effect.sync(() => ({
  prefix: randomBytes(8).toString("hex"),
  secret: Redacted.make(randomBytes(32).toString("hex"), { label: "api key" })
}))

/** The text the customer keeps; it cannot be had again. */
export const format = (key: ApiKey): Redacted.Redacted<string> =>
  Redacted.make(`rl_${key.prefix}_${Redacted.value(key.secret)}`, { label: "api key" })

/** Reads a presented key; none if it does not have the exact shape. */
export const parse = (text: Redacted.Redacted<string>): Option.Option<ApiKey> => {
  const [, prefix, secret] = shape.exec(Redacted.value(text)) ?? []
  return prefix === undefined || secret === undefined
    ? Option.none()
    : Option.some({ prefix, secret: Redacted.make(secret, { label: "api key" }) })
}

/** What to store of a key: SHA-256 over the 64 ASCII digits of the secret. */
export const toStored = (key: ApiKey): StoredApiKey => ({
  prefix: key.prefix,
  sha256: sha256(Redacted.value(key.secret)).toString("hex")
})

/**
 * Whether the key has the stored hash. Without a stored hash (an unknown prefix) the same work is done against a hash
 * nothing has, so that the time does not tell an unknown prefix from a wrong secret.
 */
export const matches = (key: ApiKey, stored: Option.Option<string>): boolean => {
  const expected = Buffer.from(Option.getOrElse(stored, () => hashOfNothing), "hex")
  const actual = sha256(Redacted.value(key.secret))
  return expected.length === actual.length && timingSafeEqual(actual, expected) && Option.isSome(stored)
}

const hashOfNothing = "0".repeat(64)

const sha256 = (text: string): Buffer => createHash("sha256").update(text, "ascii").digest()
