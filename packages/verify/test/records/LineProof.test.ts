import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { encode as ascii } from "../../src/Ascii.ts"
import { main } from "../../src/cli.ts"
import type { ObjectEntry } from "../../src/Entry.ts"
import { printEntry } from "../../src/Entry.ts"
import * as Hex from "../../src/Hex.ts"
import { checkpointKey } from "../../src/Layout.ts"
import { MalformedError } from "../../src/Malformed.ts"
import { inclusionProof, leafHash, nodeHash, type ReadNode } from "../../src/Merkle.ts"
import { parseNote } from "../../src/Note.ts"
import { makeExtract, parseExtract, printExtract, rootOfExtract } from "../../src/records/Extract.ts"
import { type LineProof, parseLineProof, printLineProof, verifyLineProof } from "../../src/records/LineProof.ts"
import { commitment, RecordsRoot } from "../../src/records/RecordsRoot.ts"
import { saltOf, SaltSequence } from "../../src/records/Salts.ts"
import { random } from "../../src/tampering/Random.ts"
import { tileNodes } from "../../src/TileNodes.ts"
import { printVerifierKey } from "../../src/VerifierKey.ts"
import { ArchiveBuilder, hour, log, origin, start, zone } from "../ArchiveBuilder.ts"
import { assertStrict } from "../Mangle.ts"
import { memoryReader } from "../MemoryReader.ts"

const seed = new Uint8Array(32).fill(42)
const utf8 = new TextEncoder()
const linesOf = (count: number) =>
  Array.from({ length: count }, (_, index) => utf8.encode(`{"RayID":"${index}","x":"è"}`))
const pathOf = async (lines: ReadonlyArray<Uint8Array>, line: number) => {
  const leaves = lines.map((text, index) => leafHash(commitment(saltOf(seed, index), text)))
  const read: ReadNode = async (level, index) => {
    if (level === 0) return leaves[index] ?? new Uint8Array(0)
    return nodeHash(await read(level - 1, 2 * index), await read(level - 1, 2 * index + 1))
  }
  return inclusionProof(read, line, lines.length)
}

const archiveOf = (lines: ReadonlyArray<Uint8Array>) => {
  const builder = new ArchiveBuilder().begin()
  builder.window({ from: start, to: start + hour, lines: "{}\n" })
  const root = new RecordsRoot(seed)
  for (const line of lines) root.add(line)
  const [entry] = builder.entries.slice(-1)
  if (entry?.kind !== "object") throw new Error("no window")
  const object: ObjectEntry = { ...entry, records: lines.length, recordsRoot: Hex.encode(root.root()) }
  builder.entries[builder.entries.length - 1] = object
  return { builder: builder.publish(), object, leaf: builder.entries.length - 1 }
}

const proofOf = async (lines: ReadonlyArray<Uint8Array>, line: number): Promise<LineProof> => {
  const { builder, leaf, object } = archiveOf(lines)
  const size = builder.entries.length
  const hashes = await inclusionProof(tileNodes(memoryReader(builder.files), origin, size), leaf, size)
  const checkpoint = parseNote(builder.files.get(checkpointKey(origin)) ?? new Uint8Array(0))
  return {
    line,
    salt: saltOf(seed, line),
    path: await pathOf(lines, line),
    entry: { extra: printEntry(object), index: leaf, hashes, checkpoint }
  }
}

describe("salts", () => {
  it("come in order as they are derived one by one", () => {
    const sequence = new SaltSequence(seed)
    for (let line = 0; line < 700; line++) assert.deepStrictEqual(sequence.next(), saltOf(seed, line), String(line))
  })

  it("are as the format says, checked by another implementation", () => {
    const script = `
import hashlib
def salt(seed, line):
    for level in range(32):
        bit = (line >> (31 - level)) & 1
        seed = hashlib.sha256(bytes([0x10 + bit]) + seed).digest()
    return seed
seed = bytes([42]) * 32
for line in (0, 1, 5, 70000, 2**32 - 1): print(salt(seed, line).hex())
leaves = [hashlib.sha256(b"\\0" + hashlib.sha256(b"\\x12" + salt(seed, i) + ('{"RayID":"%d","x":"\\u00e8"}' % i).encode()).digest()).digest() for i in range(5)]
def root(l):
    if len(l) == 1: return l[0]
    k = 1
    while k * 2 < len(l): k *= 2
    return hashlib.sha256(b"\\x01" + root(l[:k]) + root(l[k:])).digest()
print(root(leaves).hex())`
    const expected = execFileSync("python3", ["-c", script], { encoding: "utf8" }).trim().split("\n")
    const own = [0, 1, 5, 70_000, 2 ** 32 - 1].map((line) => Hex.encode(saltOf(seed, line)))
    const root = new RecordsRoot(seed)
    root.addLines(utf8.encode(linesOf(5).map((line) => `${new TextDecoder().decode(line)}\n`).join("")))
    assert.deepStrictEqual([...own, Hex.encode(root.root())], expected)
  })
})

describe("a line proof", () => {
  it.each([1, 2, 3, 17, 600])("proves each of %i lines at its place and no other line there", async (count) => {
    const lines = linesOf(count)
    for (const line of new Set([0, count - 1, Math.floor(count / 2)])) {
      const proof = await proofOf(lines, line)
      const bytes = printLineProof(proof)
      assert.isAtMost(bytes.length, 4096)
      const read = parseLineProof(bytes)
      const judge = (text: Uint8Array, of = read) => verifyLineProof(of, text, [log.key]).objection
      const text = lines[line] ?? new Uint8Array(0)
      assert.isNull(judge(text))
      assert.match(judge(utf8.encode("{}")) ?? "", /not the one/)
      assert.match(judge(utf8.encode(`${new TextDecoder().decode(text)}\n`)) ?? "", /line feed/)
      if (count > 1) {
        assert.match(judge(lines[(line + 1) % count] ?? text) ?? "", /not the one/)
        assert.match(judge(text, { ...read, line: (line + 1) % count }) ?? "", /not the one/)
      }
    }
  })

  it("is bound to the signed entry", async () => {
    const lines = linesOf(9)
    const proof = await proofOf(lines, 4)
    const other = await proofOf(linesOf(10), 4)
    const text = lines[4] ?? new Uint8Array(0)
    const objection = (change: Partial<LineProof["entry"]>) =>
      verifyLineProof({ ...proof, entry: { ...proof.entry, ...change } }, text, [log.key]).objection
    assert.match(objection({ extra: other.entry.extra }) ?? "", /does not lead to the signed root/)
    assert.match(objection({ checkpoint: other.entry.checkpoint }) ?? "", /does not lead/)
    const { builder } = archiveOf(lines)
    const genesis = builder.entries[0]
    if (genesis === undefined) throw new Error("no genesis")
    const size = builder.entries.length
    const hashes = await inclusionProof(tileNodes(memoryReader(builder.files), origin, size), 0, size)
    assert.match(objection({ extra: printEntry(genesis), index: 0, hashes }) ?? "", /states no records root/)
  })

  it("reads only what it prints, and never vouches for more after any change of a byte", async () => {
    const lines = linesOf(9)
    const bytes = printLineProof(await proofOf(lines, 4))
    assertStrict(bytes, (changed) => printLineProof(parseLineProof(changed)))
    let proven = 0
    for (const at of bytes.keys()) {
      const changed = bytes.map((byte, index) => index === at ? byte ^ (1 << (at % 7)) : byte)
      try {
        const verdict = verifyLineProof(parseLineProof(changed), lines[4] ?? new Uint8Array(0), [log.key])
        if (verdict.objection !== null) continue
        proven += 1
        // Only a signature line of a key that was not given may change.
        assert.deepStrictEqual([verdict.entry.chain, verdict.entry.records], [zone, 9])
      } catch (error) {
        assert.instanceOf(error, MalformedError)
      }
    }
    assert.isBelow(proven, 200)
  }, 60_000)

  it("is checked by the command", async () => {
    const directory = mkdtempSync(join(tmpdir(), "rainlogs-line-"))
    try {
      const lines = linesOf(5)
      writeFileSync(join(directory, "proof"), printLineProof(await proofOf(lines, 2)))
      writeFileSync(join(directory, "line"), `${new TextDecoder().decode(lines[2])}\n`)
      writeFileSync(join(directory, "wrong"), "{}\n")
      const run = async (...argv: ReadonlyArray<string>) => {
        let stdout = ""
        const output = { stdout: { write: (text: string) => (stdout += text) }, stderr: { write: () => true } }
        return { code: await main(["line", ...argv], output), stdout }
      }
      const [proof, key] = [join(directory, "proof"), printVerifierKey(log.key)]
      const right = await run(proof, join(directory, "line"), "--key", key)
      assert.strictEqual(right.code, 0)
      assert.match(right.stdout, /^PROVEN: line 2 of 5/)
      const wrong = await run(proof, join(directory, "wrong"), "--key", key, "--json")
      assert.deepStrictEqual([wrong.code, JSON.parse(wrong.stdout).proven], [1, false])
      assert.strictEqual((await run(join(directory, "line"), proof, "--key", key)).code, 3)
      assert.strictEqual((await run(proof, join(directory, "line"))).code, 2)
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })
})

describe("an extract", () => {
  const root = (lines: ReadonlyArray<Uint8Array>) => {
    const tree = new RecordsRoot(seed)
    for (const line of lines) tree.add(line)
    return tree.root()
  }

  it("gives the records root whichever lines are removed, and hides the salts of those", () => {
    const choices = random(3)
    for (let round = 0; round < 60; round++) {
      const lines = linesOf(1 + choices.integer(90))
      const removed = new Set<number>()
      for (let at = choices.integer(lines.length + 1); at > 0; at--) removed.add(choices.integer(lines.length))
      const { extract, kept } = makeExtract(seed, lines, removed)
      const read = parseExtract(printExtract(extract))
      const result = rootOfExtract(read, kept)
      assert.deepStrictEqual(result, { objection: null, root: root(lines) })
      for (const line of removed) {
        const covered = read.seeds.some(({ depth, index }) => Math.floor(line / 2 ** (32 - depth)) === index)
        assert.isFalse(covered, `line ${line} of ${lines.length}`)
      }
    }
  })

  it("shows every other change", () => {
    const lines = linesOf(20)
    const { extract, kept } = makeExtract(seed, lines, new Set([3, 4, 11]))
    const rootOf = (change: Partial<typeof extract>, text = kept) => {
      const result = rootOfExtract({ ...extract, ...change }, text)
      return result.objection === null ? Hex.encode(result.root) : result.objection
    }
    const right = Hex.encode(root(lines))
    assert.strictEqual(rootOf({}), right)
    assert.notStrictEqual(rootOf({}, kept.map((line, at) => at === 2 ? ascii("{}") : line)), right)
    assert.notStrictEqual(rootOf({}, [...kept.slice(1), ...kept.slice(0, 1)]), right)
    assert.match(rootOf({}, kept.slice(1)), /16 kept and 3 removed lines, expected 20/)
    assert.match(rootOf({ seeds: extract.seeds.slice(1) }), /no seed covers/)
    assert.notStrictEqual(
      rootOf({ removed: new Map([...extract.removed].map(([line]) => [line, new Uint8Array(32)])) }),
      right
    )
    assert.throws(() => makeExtract(seed, lines, new Set([20])), RangeError)
    assertStrict(
      ascii(printExtract(extract)),
      (bytes) => ascii(printExtract(parseExtract(new TextDecoder("latin1").decode(bytes))))
    )
  }, 30_000)
})
