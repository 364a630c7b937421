import { assert, beforeAll, describe, it } from "vitest"
import type { ArchiveReader } from "../../src/ArchiveReader.ts"
import { verify as verifySignature } from "../../src/node/NativeEd25519.ts"
import { sha256 } from "../../src/node/NativeSha256.ts"
import { archiveAttacks } from "../../src/tampering/ArchiveAttacks.ts"
import type { ArchiveBuilder } from "../../src/tampering/ArchiveBuilder.ts"
import { NothingToAttackError, surveyArchive } from "../../src/tampering/ArchiveSurvey.ts"
import { day, evidenceArchive, trust } from "../../src/tampering/EvidenceArchive.ts"
import { rewriteRecent } from "../../src/tampering/InsiderKit.ts"
import { hashingOnce, overlay } from "../../src/tampering/OverlayReader.ts"
import { random } from "../../src/tampering/Random.ts"
import {
  allExposed,
  archiveAttackCount,
  ArchiveNotSoundError,
  attackArchive,
  type AttackResult
} from "../../src/tampering/RedTeam.ts"
import { verifyArchive } from "../../src/VerifyArchive.ts"
import { hour, largeArchive, log, origin, smallArchive, start } from "../ArchiveBuilder.ts"
import { type ArchiveFiles, memoryReader } from "../MemoryReader.ts"

const functions = { sha256, verifySignature }
const all = async (results: AsyncIterable<AttackResult>): Promise<Array<AttackResult>> => {
  const list: Array<AttackResult> = []
  for await (const result of results) list.push(result)
  return list
}
const without = (rows: ReadonlyArray<AttackResult>, verdict: AttackResult["verdict"]) =>
  rows.filter((row) => row.verdict !== verdict).map(({ id, reason, verdict: found }) => `${id}: ${found}, ${reason}`)

describe("attacks on an archive of one's own", () => {
  const days = 60
  let built: ArchiveBuilder
  const end = start + days * day + 2 * hour
  const attack = (files: ArchiveFiles, seed = 1, now = end) =>
    all(attackArchive(memoryReader(files), { trust: { ...trust(), ...functions }, seed, now }))
  beforeAll(async () => {
    built = await evidenceArchive(days)
  }, 60_000)

  it("are exposed, each and every one, the insider by the anchor lag, and change nothing", async () => {
    const before = new Map([...built.files].map(([key, bytes]) => [key, bytes.slice()]))
    const rows = await attack(built.files)
    assert.deepStrictEqual(without(rows, "EXPOSED"), [])
    assert.strictEqual(rows.length, archiveAttackCount)
    assert.isTrue(allExposed(rows))
    const insider = rows.at(-1)
    assert.deepStrictEqual([insider?.id, insider?.code, insider?.exit], ["insider", "ANCHOR_LAG_EXCEEDED", 1])
    const flipped = rows.find(({ id }) => id === "object-flip")
    assert.strictEqual(flipped?.code, "OBJECT_HASH_MISMATCH")
    assert.match(flipped?.subject ?? "", /^logs\//)
    assert.strictEqual(rows.find(({ id }) => id === "rollback")?.verdict, "EXPOSED")
    assert.deepStrictEqual(built.files, before)
  }, 120_000)

  it("are exposed whatever they hit, also behind full tiles", async () => {
    const { files } = largeArchive(6)
    for (let seed = 2; seed < 6; seed++) {
      const rows = await all(
        attackArchive(memoryReader(files), { trust: { keys: [log.key], ...functions }, seed, now: start + 7 * hour })
      )
      assert.deepStrictEqual(without(rows.slice(0, -1).filter(({ verdict }) => verdict !== "NOT TRIED"), "EXPOSED"), [])
    }
  }, 120_000)

  it("the insider's rewritten archive is right in everything but the time of its anchor", async () => {
    const reader = memoryReader(built.files)
    const rewritten = await rewriteRecent(await surveyArchive(reader, origin, random(1)), end, sha256)
    if ("notTried" in rewritten) throw new Error(rewritten.notTried)
    const keys = [...trust().keys, rewritten.witness]
    const changed = overlay(reader, rewritten.changes)
    const report = await verifyArchive(changed, {
      ...functions,
      keys,
      verifySignature: rewritten.accepting(verifySignature),
      now: end
    })
    const codes = report.findings.filter(({ severity }) => severity !== "notice").map(({ code }) => code)
    assert.deepStrictEqual([...new Set(codes)], ["ANCHOR_LAG_EXCEEDED"])
    assert.deepStrictEqual(report.verdict, {
      integrity: "PASS",
      completeness: "PASS",
      anchoring: "FAIL",
      erasures: "PASS"
    })
    // Without the log's key the same files are no more than files.
    const outsider = await verifyArchive(changed, { ...functions, keys, now: end })
    assert.strictEqual(outsider.verdict.integrity, "FAIL")
  }, 60_000)

  it("what the insider wrote within the anchor lag is not exposed, and that is said", async () => {
    const young = await attack((await evidenceArchive(1)).files, 1, start + day + hour)
    assert.strictEqual(young.at(-1)?.verdict, "NOT EXPOSED")
    assert.match(young.at(-1)?.reason ?? "", /younger than/)
  }, 60_000)

  it("without an anchor the insider is not exposed, and that is said", async () => {
    const { files } = smallArchive()
    const rows = await all(
      attackArchive(memoryReader(files), { trust: { keys: [log.key], ...functions }, seed: 1, now: start + 4 * hour })
    )
    const insider = rows.at(-1)
    assert.strictEqual(insider?.verdict, "NOT EXPOSED")
    assert.match(insider?.reason ?? "", /configure an anchor/)
    assert.isFalse(allExposed(rows))
    assert.strictEqual(rows.find(({ id }) => id === "receipt-flip")?.verdict, "NOT TRIED")
  }, 60_000)

  it("tell nothing about an archive that does not pass as it is", async () => {
    const { files } = smallArchive()
    const key = [...files.keys()].find((name) => name.startsWith("logs/")) ?? ""
    const options = { trust: { keys: [log.key] }, seed: 1, now: start }
    const failure = (reader: ArchiveReader) => all(attackArchive(reader, options)).catch((error: unknown) => error)
    assert.instanceOf(await failure(memoryReader(new Map(files).set(key, new Uint8Array(1)))), ArchiveNotSoundError)
    assert.instanceOf(await failure(memoryReader(new Map())), ArchiveNotSoundError)
    assert.strictEqual(new NothingToAttackError("x").name, "NothingToAttackError")
  })

  it("have names of their own", () => {
    assert.strictEqual(new Set(archiveAttacks.map(({ id }) => id)).size, archiveAttacks.length)
  })
})

describe("an overlay", () => {
  it("shows changed, added and removed files, and leaves the rest", async () => {
    const base = memoryReader(new Map([["a/1", new Uint8Array([1])], ["a/2", new Uint8Array([2])]]))
    const reader = overlay(base, new Map([["a/1", null], ["a/3", new Uint8Array([3, 3])]]))
    const listed: Array<string> = []
    for await (const { key, size } of reader.list("a/")) listed.push(`${key} ${size}`)
    assert.deepStrictEqual(listed.sort(), ["a/2 1", "a/3 2"])
    assert.isNull(await reader.read("a/1"))
    assert.isNull(await reader.hash("a/1"))
    assert.deepStrictEqual(await reader.read("a/2"), new Uint8Array([2]))
    assert.deepStrictEqual(await reader.hash("a/3", { maxBytes: 1 }), { size: 2, sha256: null })
    assert.strictEqual((await reader.hash("a/2"))?.size, 1)
  })

  it("hashes what lies under it once", async () => {
    let times = 0
    const base = memoryReader(new Map([["a", new Uint8Array([1])]]))
    const reader = hashingOnce({ ...base, hash: (key, options) => (times++, base.hash(key, options)) })
    assert.deepStrictEqual(await reader.hash("a"), await reader.hash("a"))
    assert.strictEqual(times, 1)
  })
})
