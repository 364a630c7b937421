/**
 * The key of a witness: one file, mode 0600, made at the first start. `rainlogs-witness-key/v1`, then the name and the
 * RFC 8032 seed in hex.
 */
import { decode, encode } from "@rainlogs/verify/Ascii"
import { publicKey } from "@rainlogs/verify/Ed25519"
import * as Field from "@rainlogs/verify/Field"
import * as Hex from "@rainlogs/verify/Hex"
import { joinLines, Lines } from "@rainlogs/verify/Lines"
import type { NoteSigner } from "@rainlogs/verify/Note"
import { makeVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Redacted } from "effect"
import { randomBytes } from "node:crypto"
import { readIfPresent, writeDurably } from "../storage/DurableFile.ts"

const format = "rainlogs-witness-key/v1"

const signerOf = (name: string, seed: Uint8Array): NoteSigner => ({
  key: makeVerifierKey(name, 4, publicKey(seed)),
  seed
})

/** The key in the file, or a new one under `name`; rejects when the file holds another name. */
export const openWitnessKey = async (path: string, name: string | null): Promise<Redacted.Redacted<NoteSigner>> => {
  const stored = await readIfPresent(path)
  if (stored !== null) {
    const lines = new Lines(format, decode(stored, format))
    const known = lines.field("name", Field.token)
    const seed = Hex.decode(lines.field("seed", Field.hash), 32)
    lines.end()
    if (name !== null && name !== known) {
      throw new Error(`${path} is the key of ${known}, not of ${name}; leave --name out, or choose another --data`)
    }
    return Redacted.make(signerOf(known, seed))
  }
  if (name === null) {
    throw new Error("a new witness needs a name that tells it apart: pass --name witness.example.org/w1")
  }
  const seed = new Uint8Array(randomBytes(32))
  const signer = signerOf(Field.token(format, name), seed)
  await writeDurably(path, encode(joinLines([format, `name ${name}`, `seed ${Hex.encode(seed)}`]), format))
  return Redacted.make(signer)
}
