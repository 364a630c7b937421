/**
 * The file of an approver's Ed25519 key, `rainlogs-approver/v1`: the seed sealed with AES-256-GCM under a key that
 * scrypt (RFC 7914) makes of a passphrase. The lines ahead of the sealed one are authenticated with it.
 */
import { decode as base64, encode as toBase64 } from "@rainlogs/verify/Base64"
import { publicKey } from "@rainlogs/verify/Ed25519"
import { joinLines, Lines } from "@rainlogs/verify/Lines"
import { MalformedError } from "@rainlogs/verify/Malformed"
import type { NoteSigner } from "@rainlogs/verify/Note"
import { makeVerifierKey, parseVerifierKey, printVerifierKey, type VerifierKey } from "@rainlogs/verify/VerifierKey"
import { Effect, Redacted } from "effect"
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from "node:crypto"
import { ApprovalError } from "./ApprovalError.ts"

const format = "rainlogs-approver/v1"
// 128 MiB of memory for each guess. Fixed, so that a file cannot ask for more.
const cost = { N: 131_072, r: 8, p: 1, maxmem: 256 * 1024 * 1024 }
const costText = `${cost.N} ${cost.r} ${cost.p}`
const [saltBytes, nonceBytes, seedBytes, tagBytes] = [16, 12, 32, 16]

/** Fewest characters of a passphrase. */
export const shortestPassphrase = 12

const derive = (passphrase: Redacted.Redacted<string>, salt: Uint8Array) =>
  Effect.callback<Buffer, ApprovalError>((resume) => {
    scrypt(Redacted.value(passphrase).normalize("NFC"), salt, 32, cost, (error, key) =>
      resume(
        error === null ? Effect.succeed(key) : Effect.fail(new ApprovalError({ detail: `scrypt: ${error.message}` }))
      ))
  })

const header = (key: VerifierKey, salt: Uint8Array): string =>
  joinLines([format, `key ${printVerifierKey(key)}`, `scrypt ${costText} ${toBase64(salt)}`])

/** Makes a key of this name; answers the file's bytes and the verifier key (type 1) to put in a policy. */
export const makeApproverKey = Effect.fn("ApproverKeyFile.make")(
  function*(name: string, passphrase: Redacted.Redacted<string>) {
    if ([...Redacted.value(passphrase)].length < shortestPassphrase) {
      return yield* new ApprovalError({ detail: `the passphrase needs at least ${shortestPassphrase} characters` })
    }
    const seed = randomBytes(seedBytes)
    const key = yield* Effect.try({
      // A policy, which names the key, is ASCII.
      try: () => {
        if (!/^[!-~]+$/.test(name)) throw new MalformedError(format, "the name has characters other than ASCII")
        return makeVerifierKey(name, 1, publicKey(seed))
      },
      catch: (error) => new ApprovalError({ detail: String(error) })
    })
    const salt = randomBytes(saltBytes)
    const nonce = randomBytes(nonceBytes)
    const secret = yield* derive(passphrase, salt)
    const cipher = createCipheriv("aes-256-gcm", secret, nonce).setAAD(Buffer.from(header(key, salt)))
    const sealed = Buffer.concat([nonce, cipher.update(seed), cipher.final(), cipher.getAuthTag()])
    return { key, bytes: new TextEncoder().encode(`${header(key, salt)}sealed ${toBase64(sealed)}\n`) }
  }
)

const exactly = (bytes: Uint8Array, length: number, what: string): Uint8Array => {
  if (bytes.length !== length) throw new MalformedError(format, `${what} of ${bytes.length} bytes, expected ${length}`)
  return bytes
}

const parse = (text: string) => {
  const lines = new Lines(format, text)
  const key = lines.field("key", (_, word) => parseVerifierKey(word))
  const salt = lines.words("scrypt", 4, (_, [n, r, p, word = ""]) => {
    if (`${n} ${r} ${p}` !== costText) throw new MalformedError(format, `expected scrypt ${costText}`)
    return exactly(base64(word), saltBytes, "a salt")
  })
  const length = nonceBytes + seedBytes + tagBytes
  const sealed = lines.field("sealed", (_, word) => exactly(base64(word), length, "a sealed seed"))
  lines.end()
  if (key.type !== 1) throw new MalformedError(format, "an approver's key is of type 1")
  return { key, salt, sealed }
}

/** Opens the file's text; refuses a wrong passphrase, a changed file, and a seed that is not the key's. */
export const openApproverKey = Effect.fn("ApproverKeyFile.open")(
  function*(text: string, passphrase: Redacted.Redacted<string>) {
    const { key, salt, sealed } = yield* Effect.try({
      try: () => parse(text),
      catch: (error) => new ApprovalError({ detail: `the approver's key file cannot be read: ${String(error)}` })
    })
    const secret = yield* derive(passphrase, salt)
    const seed = yield* Effect.try({
      try: () => {
        const decipher = createDecipheriv("aes-256-gcm", secret, sealed.subarray(0, nonceBytes))
        decipher.setAAD(Buffer.from(header(key, salt))).setAuthTag(sealed.subarray(-tagBytes))
        return Buffer.concat([decipher.update(sealed.subarray(nonceBytes, -tagBytes)), decipher.final()])
      },
      catch: () => new ApprovalError({ detail: "the passphrase is wrong, or the approver's key file was changed" })
    })
    if (printVerifierKey(makeVerifierKey(key.name, 1, publicKey(seed))) !== printVerifierKey(key)) {
      return yield* new ApprovalError({ detail: "the sealed seed does not belong to the key that the file names" })
    }
    return Redacted.make<NoteSigner>({ key, seed }, { label: "approver key" })
  }
)
