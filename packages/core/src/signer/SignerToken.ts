/**
 * The secret between the application and its signer process: 32 random bytes as hex, in a file of mode 0600 in the
 * signer's directory, made at the first start. Every request carries it; what stands in for the log's signature on a
 * checkpoint that nobody has signed yet is made with a key derived from it.
 */
import { publicKey } from "@rainlogs/verify/Ed25519"
import { sha256 } from "@rainlogs/verify/Hash"
import * as Hex from "@rainlogs/verify/Hex"
import type { NoteSigner } from "@rainlogs/verify/Note"
import { makeVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Redacted } from "effect"
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { readIfPresent, writeDurably } from "../storage/DurableFile.ts"

/** The name of the file in the signer's directory. */
export const signerTokenFile = "request.token"

/** The token in the text of such a file; throws if it is none. `source` is what the message calls it. */
export const parseSignerToken = (text: string, source: string): Redacted.Redacted<string> => {
  const token = text.trim()
  if (!Hex.isHash(token)) {
    throw new Error(`${source} is not a signer's token: 64 lower-case hex digits, as in its file ${signerTokenFile}`)
  }
  return Redacted.make(token)
}

/** The directory's token, made if there is none; rejects if the file holds something else. */
export const openSignerToken = async (directory: string): Promise<Redacted.Redacted<string>> => {
  const path = join(directory, signerTokenFile)
  const stored = await readIfPresent(path)
  if (stored !== null) return parseSignerToken(new TextDecoder("latin1").decode(stored), path)
  const token = randomBytes(32).toString("hex")
  await writeDurably(path, new TextEncoder().encode(`${token}\n`))
  return Redacted.make(token)
}

/** The key that signs requests, of type 1; its name is no origin, so it can never pass for a log's key. */
export const requestKey = (token: Redacted.Redacted<string>): Redacted.Redacted<NoteSigner> => {
  const seed = sha256(new TextEncoder().encode(`rainlogs-signer-request/v1\n${Redacted.value(token)}`))
  return Redacted.make({ key: makeVerifierKey("rainlogs-signer/request", 1, publicKey(seed)), seed })
}
