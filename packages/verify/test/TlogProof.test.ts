import { readFileSync } from "node:fs"
import { assert, describe, it } from "vitest"
import { encode } from "../src/Ascii.ts"
import { MalformedError } from "../src/Malformed.ts"
import { parseTlogProof, printTlogProof, verifyTlogProof } from "../src/TlogProof.ts"
import { parseVerifierKey } from "../src/VerifierKey.ts"
import { log } from "./ArchiveBuilder.ts"
import { assertStrict } from "./Mangle.ts"
import { golden } from "./Vectors.ts"

const bytesOf = (path: string) => new Uint8Array(readFileSync(new URL(`vectors/${path}`, import.meta.url)))
const vectors = JSON.parse(new TextDecoder().decode(bytesOf("signed-note/tlog-proofs.json"))) as {
  readonly cases: ReadonlyArray<{ readonly desc: string; readonly proof: string }>
}
const proof = bytesOf("ledger/entry2.tlog-proof")
const entry = encode(golden.entries[2]?.text ?? "")
const logKey = parseVerifierKey(golden.keys.log.vkey)

describe("tlog-proof", () => {
  it.each(vectors.cases)("refuses the public vector: $desc", ({ proof: text }) => {
    assert.throws(() => parseTlogProof(new TextEncoder().encode(text)), MalformedError)
  })

  it("reads and prints the golden proof, with and without extra data", () => {
    const parsed = parseTlogProof(proof)
    assert.deepStrictEqual([parsed.index, parsed.hashes.length, parsed.extra], [2, 3, null])
    assert.deepStrictEqual(printTlogProof(parsed), proof)
    const extra = printTlogProof({ ...parsed, extra: entry })
    assert.deepStrictEqual(parseTlogProof(extra).extra, entry)
    assertStrict(proof, (bytes) => printTlogProof(parseTlogProof(bytes)))
  }, 30_000)

  it("proves its entry and no other", () => {
    const parsed = parseTlogProof(proof)
    const verdict = verifyTlogProof(entry, parsed, [logKey])
    assert.deepStrictEqual([verdict.objection, "checkpoint" in verdict && verdict.checkpoint.size], [null, 8])
    const objection = (change: Partial<typeof parsed>, text = entry, keys = [logKey]) =>
      verifyTlogProof(text, { ...parsed, ...change }, keys).objection ?? "proven"
    assert.match(objection({}, encode(golden.entries[3]?.text ?? "")), /does not lead/)
    assert.match(objection({ index: 3 }), /does not lead/)
    assert.match(objection({ hashes: parsed.hashes.slice(1) }), /does not lead/)
    assert.match(objection({ hashes: [...parsed.hashes, new Uint8Array(32)] }), /does not lead/)
    assert.match(objection({ extra: encode("other") }), /another entry/)
    assert.match(objection({}, entry, [log.key]), /not signed by the given key/)
  })

  it("refuses proofs longer than any tree and hashes of another length", () => {
    const parsed = parseTlogProof(proof)
    const long = Array.from({ length: 64 }, () => new Uint8Array(32))
    assert.throws(() => printTlogProof({ ...parsed, hashes: long }), /64 hashes/)
    for (const length of [31, 33]) {
      assert.throws(() => printTlogProof({ ...parsed, hashes: [new Uint8Array(length)] }), /expected 32/)
    }
  })
})
