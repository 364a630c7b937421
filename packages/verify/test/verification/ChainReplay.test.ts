import { assert, describe, it } from "vitest"
import { encode as ascii } from "../../src/Ascii.ts"
import { printEntry } from "../../src/Entry.ts"
import { checkpointArchiveKey, checkpointKey } from "../../src/Layout.ts"
import { exitCode } from "../../src/Report.ts"
import { entriesPath, tilePath } from "../../src/Tile.ts"
import { ArchiveBuilder, hour, minute, origin, smallArchive, start } from "../ArchiveBuilder.ts"
import { both, codes, contested, entryAt, key, republished, verify, without } from "../Verification.ts"

describe("entries and chains", () => {
  it("an edited entry is not the one in the tree", async () => {
    const builder = smallArchive()
    const entry = entryAt(builder, 3)
    if (entry.kind !== "object") throw new Error("an object")
    const leaves = builder.entries.map(printEntry)
    leaves[3] = printEntry({ ...entry, records: 7 })
    const forged = new ArchiveBuilder().writeTilesOf(leaves).files
    const bundle = key(entriesPath(0, 18))
    const edited = new Map(without(builder.files, key(entriesPath(0, 9)))).set(bundle, forged.get(bundle) ?? ascii(""))
    const report = await verify(edited)
    assert.deepStrictEqual(codes(report), ["INTEGRITY_NOT_PROVEN", "LEAF_NOT_IN_TREE", "ROOT_MISMATCH"])
    const finding = contested(report).find(({ code }) => code === "LEAF_NOT_IN_TREE")
    assert.deepStrictEqual([finding?.chain, finding?.seq], [entry.chain, entry.seq])
  })

  it("a rebuilt history under the old signature is ROOT_MISMATCH", async () => {
    const builder = smallArchive()
    const old = new Map(builder.files)
    builder.entries[4] = { ...entryAt(builder, 4), job: "01980000-0000-7000-8000-00000000ffff" }
    builder.relink()
    const rebuilt = republished(builder)
    rebuilt.set(checkpointKey(origin), old.get(checkpointKey(origin)) ?? ascii(""))
    rebuilt.set(checkpointArchiveKey(origin, 18), old.get(checkpointArchiveKey(origin, 18)) ?? ascii(""))
    const report = await verify(rebuilt)
    assert.include(codes(report), "ROOT_MISMATCH")
    assert.strictEqual(exitCode(report, both), 1)
  })

  // From here on the insider has the log's key and signs the changed history.
  it("a dropped entry is SEQ_GAP", async () => {
    const builder = smallArchive()
    builder.entries.splice(4, 1)
    const report = await verify(republished(builder))
    assert.include(codes(report), "SEQ_GAP")
    assert.notInclude(codes(report), "CHAIN_FORK")
    assert.strictEqual(exitCode(report, both), 1)
  })

  it("a second entry of one seq is CHAIN_FORK", async () => {
    const builder = smallArchive()
    builder.entries.splice(5, 0, { ...entryAt(builder, 4), time: start + 11 * minute })
    const report = await verify(republished(builder))
    assert.include(codes(report), "CHAIN_FORK")
    assert.notInclude(codes(report), "SEQ_GAP")
  })

  it("two swapped entries are CHAIN_BROKEN", async () => {
    const builder = smallArchive()
    builder.entries.splice(4, 2, entryAt(builder, 5), entryAt(builder, 4))
    const report = await verify(republished(builder))
    assert.include(codes(report), "CHAIN_BROKEN")
    assert.notInclude(codes(report), "SEQ_GAP")
  })

  it("a changed hash, prev or object is CHAIN_BROKEN", async () => {
    for (
      const change of [{ hash: "11".repeat(32) }, { prev: "11".repeat(32) }, {
        job: "01980000-0000-7000-8000-0000000000ff"
      }]
    ) {
      const builder = smallArchive()
      builder.entries[4] = { ...entryAt(builder, 4), ...change }
      const report = await verify(republished(builder))
      assert.include(codes(report), "CHAIN_BROKEN", JSON.stringify(change))
    }
  })

  it("a chain transplanted from another zone or tenant is GENESIS_MISMATCH", async () => {
    const builder = smallArchive()
    const other = "0d2a6c1e-58a7-4f2f-9b0e-6d7f4c8b1a23"
    for (const [index, entry] of builder.entries.entries()) {
      if (entry.kind === "object") builder.entries[index] = { ...entry, chain: other }
    }
    assert.include(codes(await verify(republished(builder))), "GENESIS_MISMATCH")
    const tenant = smallArchive()
    tenant.entries[4] = { ...entryAt(tenant, 4), origin: origin.replace("archive", "other") }
    assert.include(codes(await verify(republished(tenant))), "GENESIS_MISMATCH")
  })

  it("a ledger that does not begin with its genesis, or has two, is GENESIS_MISMATCH", async () => {
    const builder = smallArchive()
    builder.entries.shift()
    builder.relink()
    assert.include(codes(await verify(republished(builder))), "GENESIS_MISMATCH")
    const twice = smallArchive().begin(start + 4 * hour)
    assert.include(codes(await verify(republished(twice))), "GENESIS_MISMATCH")
  })

  it("an entry that is not in the format is MALFORMED_ENTRY, even signed", async () => {
    const builder = smallArchive()
    const leaves = builder.entries.map(printEntry)
    const crlf = ascii(new TextDecoder().decode(leaves[4]).replace("seq 2", "seq 02"))
    leaves[4] = crlf
    const files = new Map(without(builder.files, key(entriesPath(0, 9)), key(tilePath(0, 0, 9))))
    for (const [name, bytes] of new ArchiveBuilder().writeTilesOf(leaves).files) files.set(name, bytes)
    const report = await verify(files)
    assert.include(codes(report), "MALFORMED_ENTRY")
    assert.strictEqual(exitCode(report, both), 3)
  })
})
