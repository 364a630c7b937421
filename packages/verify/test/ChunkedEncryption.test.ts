import { readFileSync } from "node:fs"
import { assert, describe, it } from "vitest"
import { encode } from "../src/Ascii.ts"
import { decryptChunks, headerBytes, openHeader } from "../src/ChunkedEncryption.ts"
import { sha256 } from "../src/Hash.ts"
import * as Hex from "../src/Hex.ts"

interface Case {
  readonly name: string
  readonly keyHex: string
  readonly context: string
  readonly plaintextLabel: string
  readonly plaintextLength: number
  readonly plaintextSHA256: string
  readonly ciphertextHex?: string
}
const { cases } = JSON.parse(
  readFileSync(new URL("vectors/ledger/chunked-encryption.json", import.meta.url), "utf8")
) as { readonly cases: ReadonlyArray<Case> }

const bytesOf = (hex: string) => Hex.decode(hex, hex.length / 2)
const decrypt = async (object: Uint8Array, dataKey: Uint8Array, context: string) => {
  const keys = await openHeader(object, dataKey, context)
  if (keys === null) return null
  const chunks: Array<Uint8Array> = []
  for await (const chunk of decryptChunks(object, keys)) chunks.push(chunk)
  return new Uint8Array(chunks.flatMap((chunk) => [...chunk]))
}

describe("chunked encryption", () => {
  const whole = cases.filter(({ ciphertextHex }) => ciphertextHex !== undefined)

  it.each(whole)("decrypts the vector $name, and nothing that was changed or cut", async (vector) => {
    const [object, key] = [bytesOf(vector.ciphertextHex ?? ""), bytesOf(vector.keyHex)]
    const plain = await decrypt(object, key, vector.context)
    assert.strictEqual(plain?.length, vector.plaintextLength)
    assert.strictEqual(Hex.encode(sha256(plain ?? new Uint8Array())), vector.plaintextSHA256)
    assert.isNull(await decrypt(object, key.map((byte, at) => at === 5 ? byte ^ 1 : byte), vector.context))
    assert.isNull(await decrypt(object, key, `${vector.context}x`))
    for (const at of [0, 30, headerBytes, object.length - 1]) {
      const changed = object.map((byte, index) => index === at ? byte ^ 1 : byte)
      const outcome = await decrypt(changed, key, vector.context).catch(() => null)
      assert.isNull(outcome, `byte ${at}`)
    }
    const cut = await decrypt(object.subarray(0, -1), key, vector.context).catch(() => null)
    assert.isNull(cut)
  })

  it("has vectors to speak of, and refuses keys and headers of another length", async () => {
    assert.isAtLeast(whole.length, 3)
    const refusal = (header: number, key: Uint8Array) =>
      openHeader(new Uint8Array(header), key, "").then(() => "taken", String)
    assert.match(await refusal(55, new Uint8Array(32)), /55 bytes/)
    assert.match(await refusal(56, encode("short")), /5 bytes/)
  })
})
