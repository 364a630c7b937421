import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { createHash, randomBytes } from "node:crypto"
import * as Chunked from "../../src/secrets/ChunkedEncryption.ts"
import vectors from "../vectors/chunked-encryption.json" with { type: "json" }

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

const plaintextOf = (label: string, length: number): Buffer => {
  const parts: Array<Buffer> = []
  for (let i = 0; i * 32 < length; i++) parts.push(createHash("sha256").update(`${label} ${i}`).digest())
  return Buffer.concat(parts).subarray(0, length)
}

const cut = (bytes: Uint8Array, size: number): Array<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))

const encrypt = (key: Uint8Array, context: Uint8Array, plain: Uint8Array, size: number, salt?: Uint8Array): Buffer => {
  const encryptor = new Chunked.ChunkedEncryptor(key, context, salt)
  return Buffer.concat([...cut(plain, size).map((piece) => encryptor.update(piece)), encryptor.final()])
}

const decrypt = (key: Uint8Array, context: Uint8Array, stored: Uint8Array, size: number): Buffer => {
  const decryptor = new Chunked.ChunkedDecryptor(key, context)
  return Buffer.concat([...cut(stored, size).map((piece) => decryptor.update(piece)), decryptor.final()])
}

const refused = (run: () => unknown): Chunked.NotAuthentic => {
  try {
    run()
  } catch (error) {
    if (error instanceof Chunked.NotAuthentic) return error
    throw error
  }
  return assert.fail("nothing was refused")
}

describe("public vectors", () => {
  it("has cases", () => assert.isAtLeast(vectors.cases.length, 6))

  for (const vector of vectors.cases) {
    const key = Buffer.from(vector.keyHex, "hex")
    const salt = Buffer.from(vector.saltHex, "hex")
    const context = Buffer.from(vector.context, "latin1")
    const plain = plaintextOf(vector.plaintextLabel, vector.plaintextLength)

    for (const size of [1 << 20, 1000, 16_384]) {
      it(`${vector.name}, fed ${size} bytes at a time, encrypts to the vector and back`, () => {
        assert.strictEqual(sha256(plain), vector.plaintextSHA256)
        const stored = encrypt(key, context, plain, size, salt)
        assert.strictEqual(stored.length, vector.ciphertextLength)
        assert.strictEqual(sha256(stored), vector.ciphertextSHA256)
        assert.strictEqual(stored.subarray(24, 56).toString("hex"), vector.commitmentHex)
        assert.strictEqual(Chunked.storedSize(plain.length), stored.length)
        assert.strictEqual(Chunked.plainSizeOf(stored.length), plain.length)
        assert.isTrue(decrypt(key, context, stored, size).equals(plain))
      })
    }
  }
})

const Length = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 70_000 })))
const Piece = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 40_000 })))
const Position = Schema.Finite.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 0.999_999 })))

describe("properties", () => {
  it.prop("any plaintext in any pieces comes back", [Length, Piece, Piece], ([length, writePiece, readPiece]) => {
    const [key, context, plain] = [randomBytes(32), randomBytes(7), randomBytes(length)]
    return decrypt(key, context, encrypt(key, context, plain, writePiece), readPiece).equals(plain)
  })

  it.prop("a flipped bit anywhere is refused", [Length, Position], ([length, position]) => {
    const key = randomBytes(32)
    const stored = encrypt(key, Buffer.from("job"), randomBytes(length), 9999)
    const bit = Math.floor(position * stored.length * 8)
    stored[bit >> 3]! ^= 1 << (bit & 7)
    const { reason } = refused(() => decrypt(key, Buffer.from("job"), stored, 12_345))
    return reason === (bit < 56 * 8 ? "commitment" : "chunk")
  })

  it.prop("any range decrypts alone", [Length, Position, Position], ([length, a, b]) => {
    if (length === 0) return true
    const [key, context, plain] = [randomBytes(32), Buffer.from("job"), randomBytes(length)]
    const stored = encrypt(key, context, plain, 9999)
    const [from, last] = [Math.floor(a * length), Math.floor(b * length)].sort((left, right) => left - right)
    const to = last! + 1
    const range = Chunked.storedRange(stored.length, from!, to)
    const decryptor = new Chunked.ChunkedDecryptor(key, context, range.firstChunk)
    const parts = [
      decryptor.update(stored.subarray(0, Chunked.headerBytes)),
      decryptor.update(stored.subarray(range.from, range.to))
    ]
    if (range.reachesEnd) parts.push(decryptor.final())
    else decryptor.finalRange()
    return Buffer.concat(parts).subarray(range.skip, range.skip + to - from!).equals(plain.subarray(from, to))
  })
})

describe("refusals", () => {
  const key = randomBytes(32)
  const context = Buffer.from("01980000-0000-7000-8000-000000000010")
  const plain = randomBytes(16_384 * 2)
  const stored = encrypt(key, context, plain, 1 << 20)

  it("every cut is refused, at chunk borders too", () => {
    for (const length of [0, 10, 55, 56, 57, 56 + 16_400, 56 + 2 * 16_400, 56 + 2 * 16_400 + 15, stored.length - 1]) {
      refused(() => decrypt(key, context, stored.subarray(0, length), 4096))
    }
  })

  it("appended bytes are refused", () => {
    for (const extra of [1, 16, 16_400]) {
      refused(() => decrypt(key, context, Buffer.concat([stored, Buffer.alloc(extra)]), 4096))
    }
  })

  it("another key or another context is refused at the commitment, before any chunk", () => {
    const other = new Chunked.ChunkedDecryptor(randomBytes(32), context)
    assert.strictEqual(refused(() => other.update(stored)).reason, "commitment")
    const elsewhere = new Chunked.ChunkedDecryptor(key, Buffer.from("01980000-0000-7000-8000-000000000011"))
    assert.strictEqual(refused(() => elsewhere.update(stored)).reason, "commitment")
  })

  it("chunks in another order are refused", () => {
    const swapped = Buffer.concat([
      stored.subarray(0, 56),
      stored.subarray(56 + 16_400, 56 + 2 * 16_400),
      stored.subarray(56, 56 + 16_400),
      stored.subarray(56 + 2 * 16_400)
    ])
    assert.deepInclude({ ...refused(() => decrypt(key, context, swapped, 4096)) }, { reason: "chunk", chunk: 0 })
  })

  it("a bad chunk gives out nothing of itself", () => {
    const bad = Buffer.from(stored)
    bad[56 + 16_400 + 5]! ^= 1
    const decryptor = new Chunked.ChunkedDecryptor(key, context)
    const first = decryptor.update(bad.subarray(0, 56 + 16_400))
    assert.isTrue(Buffer.from(first).equals(plain.subarray(0, 16_384)))
    assert.strictEqual(decryptor.update(bad.subarray(56 + 16_400, 56 + 2 * 16_400 - 1)).length, 0)
    refused(() => decryptor.update(bad.subarray(56 + 2 * 16_400 - 1)))
  })

  it("a key that has not 32 bytes is a programming error", () => {
    assert.throws(() => new Chunked.ChunkedEncryptor(randomBytes(31), context), RangeError)
  })
})

it("two encryptions of the same bytes under the same key share nothing", () => {
  const key = randomBytes(32)
  const [one, two] = [
    encrypt(key, Buffer.of(), Buffer.alloc(100), 100),
    encrypt(key, Buffer.of(), Buffer.alloc(100), 100)
  ]
  assert.notStrictEqual(one.subarray(0, 56).toString("hex"), two.subarray(0, 56).toString("hex"))
})

it("sizes no object can have are known", () => {
  for (const size of [0, 55, 56, 71, 56 + 16_400, 56 + 16_400 + 15]) assert.isUndefined(Chunked.plainSizeOf(size))
  assert.throws(() => Chunked.storedRange(72 + 10, 0, 11), RangeError)
  assert.throws(() => Chunked.storedRange(72 + 10, 5, 5), RangeError)
})
