import { assert, describe, it } from "vitest"
import { encode as ascii } from "../src/Ascii.ts"
import * as Base64 from "../src/Base64.ts"
import { concat } from "../src/Bytes.ts"
import { chainHash, genesisPrev } from "../src/Chain.ts"
import { parseCheckpoint, printCheckpoint, signCheckpoint } from "../src/Checkpoint.ts"
import * as Ed25519 from "../src/Ed25519.ts"
import { parseEntry, printEntry } from "../src/Entry.ts"
import { parseGenesis, printGenesis } from "../src/Genesis.ts"
import { sha256 } from "../src/Hash.ts"
import { parseHeartbeat, printHeartbeat } from "../src/Heartbeat.ts"
import * as Hex from "../src/Hex.ts"
import { checkpointArchivePath, ledgerKey, objectKey } from "../src/Layout.ts"
import {
  CompactRange,
  consistencyProof,
  inclusionProof,
  leafHash,
  verifyConsistency,
  verifyInclusion
} from "../src/Merkle.ts"
import { parseNote, printNote, signNote, verifyNote } from "../src/Note.ts"
import { parsePolicy, printPolicy } from "../src/Policy.ts"
import { encodeEntryBundle, entriesPath, parseEntryBundle, tilePath } from "../src/Tile.ts"
import { parseTombstone, printTombstone } from "../src/Tombstone.ts"
import { makeVerifierKey, parseVerifierKey, printVerifierKey } from "../src/VerifierKey.ts"
import { verifyArchive } from "../src/VerifyArchive.ts"
import { memoryReader } from "./MemoryReader.ts"
import { golden, readVector } from "./Vectors.ts"

const texts = golden.entries.map((entry) => ascii(entry.text))
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const signer = (name: keyof typeof golden.keys) => ({
  key: parseVerifierKey(golden.keys[name].vkey),
  seed: Hex.decode(golden.keys[name].testSeedHex, 32)
})
const documents = Object.entries(golden.documentsBase64).map(([key, value]) => ({ key, bytes: Base64.decode(value) }))

describe("golden ledger", () => {
  it("prints every entry byte for byte as it was read", () => {
    assert.strictEqual(texts.length, 8)
    for (const [index, bytes] of texts.entries()) {
      const entry = parseEntry(bytes)
      const expected = golden.entries[index]
      assert.strictEqual(text(printEntry(entry)), expected?.text)
      assert.strictEqual(entry.kind, expected?.kind)
      assert.strictEqual(entry.seq, expected?.seq)
      assert.strictEqual(Hex.encode(leafHash(bytes)), expected?.leafHash)
    }
  })

  it("recomputes every chain hash and every genesis prev", () => {
    for (const entry of golden.entries) {
      const link = chainHash(Hex.decode(entry.prev, 32), Hex.decode(entry.objectSHA256, 32), entry.job)
      assert.strictEqual(Hex.encode(link), entry.chainHash)
      if (entry.seq === 0) assert.strictEqual(Hex.encode(genesisPrev(golden.origin, entry.chain)), entry.prev)
    }
  })

  it("derives the key of every stored object", () => {
    for (const bytes of texts) {
      const entry = parseEntry(bytes)
      if (entry.kind === "object") assert.strictEqual(objectKey({ ...entry, windowFrom: entry.window.from }), entry.key)
    }
  })

  it("derives every key from its seed and prints it as it was read", () => {
    for (const { name, type, vkey, testSeedHex } of Object.values(golden.keys)) {
      const key = makeVerifierKey(name, type, Ed25519.publicKey(Hex.decode(testSeedHex, 32)))
      assert.strictEqual(printVerifierKey(key), vkey)
      assert.deepStrictEqual(parseVerifierKey(vkey), key)
    }
  })

  it("reaches the root of every checkpoint", () => {
    const range = CompactRange.empty()
    for (const checkpoint of golden.checkpoints) {
      assert.strictEqual(range.size, checkpoint.size)
      assert.strictEqual(Base64.encode(range.root()), checkpoint.rootBase64)
      const next = texts[range.size]
      if (next !== undefined) range.append(leafHash(next))
    }
  })

  it("signs every checkpoint byte for byte", () => {
    const witness = parseVerifierKey(golden.keys.witness.vkey)
    for (const { size, rootBase64, checkpoint, served } of golden.checkpoints) {
      const expected = parseNote(utf8(served))
      const clockKey = signer("clock").key
      const timestamp = verifyNote(expected, [clockKey]).timestamps.get(clockKey)
      if (timestamp === undefined) throw new Error("no clock timestamp in the vector")
      const signed = signCheckpoint({
        checkpoint: { origin: golden.origin, size, root: Base64.decode(rootBase64) },
        log: signer("log"),
        clock: { ...signer("clock"), timestamp }
      })
      assert.strictEqual(text(signed.immutable), checkpoint)
      // The vector's third line is an outside witness, which the log does not write.
      const withoutWitness = expected.signatures.filter((line) => line.name !== witness.name)
      assert.strictEqual(withoutWitness.length, 2)
      assert.strictEqual(text(signed.served), text(printNote({ text: expected.text, signatures: withoutWitness })))
      const keys = [signer("log").key, signer("clock").key, witness]
      assert.strictEqual(verifyNote(expected, keys).verified.length, 3)
    }
    assert.strictEqual(text(readVector("ledger/checkpoint.00000000000000000008")), golden.checkpoints[8]?.checkpoint)
    assert.strictEqual(checkpointArchivePath(8), "checkpoint.d/00000000000000000008")
  })

  it("makes and accepts every inclusion and consistency proof", async () => {
    const nodes = new Map<string, Uint8Array>()
    const range = CompactRange.empty()
    for (const bytes of texts) {
      range.append(leafHash(bytes), (level, index, hash) => nodes.set(`${level}/${index}`, hash))
    }
    const read = (level: number, index: number) => nodes.get(`${level}/${index}`) ?? new Uint8Array(0)
    const roots = golden.checkpoints.map(({ rootBase64 }) => Base64.decode(rootBase64))
    const at = (size: number) => roots[size] ?? new Uint8Array(0)
    assert.strictEqual(golden.inclusion.length, 8)
    for (const { index, size, proof } of golden.inclusion) {
      const made = await inclusionProof(read, index, size)
      assert.deepStrictEqual(made.map(Base64.encode), proof)
      const leaf = leafHash(texts[index] ?? new Uint8Array(0))
      assert.isTrue(verifyInclusion({ index, size, leafHash: leaf, root: at(size), proof: made }))
    }
    assert.strictEqual(golden.consistency.length, 36)
    for (const { size1, size2, proof } of golden.consistency) {
      const made = await consistencyProof(read, size1, size2)
      assert.deepStrictEqual(made.map(Base64.encode), proof)
      assert.isTrue(verifyConsistency({ size1, size2, root1: at(size1), root2: at(size2), proof: made }))
    }
  })

  it("writes and reads the tile and the entry bundle byte for byte", () => {
    assert.strictEqual(texts.map((bytes) => Hex.encode(leafHash(bytes))).join(""), golden.level0PartialTileHex)
    assert.strictEqual(Base64.encode(encodeEntryBundle(texts)), golden.entryBundleBase64)
    assert.deepStrictEqual(parseEntryBundle(Base64.decode(golden.entryBundleBase64), 8).map(text), texts.map(text))
  })

  it("names every document by its hash and prints it as it was read", () => {
    const seen: Array<string> = []
    for (const { key, bytes } of documents) {
      if (!key.startsWith("event/")) continue
      assert.strictEqual(key, `event/${Hex.encode(sha256(bytes))}`)
      const name = text(bytes).split("\n")[0] ?? ""
      if (name.startsWith("{")) continue
      seen.push(name)
      if (name === "rainlogs-heartbeat/v1") {
        assert.strictEqual(printHeartbeat(parseHeartbeat(text(bytes))), text(bytes))
        continue
      }
      const note = parseNote(bytes)
      assert.strictEqual(text(printNote(note)), text(bytes))
      if (name === "rainlogs-genesis/v1") assert.strictEqual(printGenesis(parseGenesis(note.text)), note.text)
      if (name === "rainlogs-policy/v1") assert.strictEqual(printPolicy(parsePolicy(note.text)), note.text)
      if (name === "rainlogs-tombstone/v1") assert.strictEqual(printTombstone(parseTombstone(note.text)), note.text)
    }
    assert.deepStrictEqual(seen, [
      "rainlogs-genesis/v1",
      "rainlogs-policy/v1",
      "rainlogs-heartbeat/v1",
      "rainlogs-tombstone/v1",
      "rainlogs-tombstone/v1",
      "rainlogs-heartbeat/v1"
    ])
  })

  it("signs genesis and policy byte for byte", () => {
    const find = (prefix: string) => documents.find(({ bytes }) => text(bytes).startsWith(prefix))?.bytes
    const genesis = find("rainlogs-genesis/v1") ?? new Uint8Array(0)
    const keys = { origin: golden.origin, log: signer("log").key, clock: signer("clock").key }
    assert.strictEqual(text(printNote(signNote(printGenesis(keys), [signer("log")]))), text(genesis))
    const policy = find("rainlogs-policy/v1") ?? new Uint8Array(0)
    const signed = signNote(parseNote(policy).text, [signer("log"), signer("dpo"), signer("ops")])
    assert.strictEqual(text(printNote(signed)), text(policy))
  })

  it("prints a checkpoint body as it was read", () => {
    for (const { checkpoint } of golden.checkpoints) {
      const body = parseNote(utf8(checkpoint)).text
      assert.strictEqual(printCheckpoint(parseCheckpoint(body)), body)
    }
  })

  it("is an archive that passes, at every size that covers a window", async () => {
    const leaves = texts.map((bytes) => leafHash(bytes))
    for (const { size, checkpoint, served } of golden.checkpoints) {
      const files = new Map(documents.map(({ key, bytes }) => [key.startsWith("event/") ? inLedger(key) : key, bytes]))
      files.set(inLedger("checkpoint"), utf8(served)).set(inLedger(checkpointArchivePath(size)), utf8(checkpoint))
      if (size > 0) {
        files.set(inLedger(entriesPath(0, size)), encodeEntryBundle(texts.slice(0, size)))
        files.set(inLedger(tilePath(0, 0, size)), concat(...leaves.slice(0, size)))
      }
      const report = await verifyArchive(memoryReader(files), { keys: [signer("log").key] })
      assert.strictEqual(
        report.verdict.integrity,
        size === 0 ? "INCONCLUSIVE" : "PASS",
        JSON.stringify(report.findings)
      )
      assert.strictEqual(
        report.verdict.completeness,
        size < 3 ? "INCONCLUSIVE" : "PASS",
        JSON.stringify(report.findings)
      )
    }
  })
})

function inLedger(path: string): string {
  return ledgerKey(golden.origin, path)
}

function utf8(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}
