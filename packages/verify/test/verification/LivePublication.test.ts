import { assert, describe, it } from "vitest"
import { encode as ascii } from "../../src/Ascii.ts"
import { ledgerPrefix } from "../../src/Layout.ts"
import { exitCode } from "../../src/Report.ts"
import { entriesPath, tilePath } from "../../src/Tile.ts"
import { verifyArchive } from "../../src/VerifyArchive.ts"
import {
  ArchiveBuilder,
  firstEpoch,
  hour,
  hourOfWindows,
  log,
  minute,
  origin,
  smallArchive,
  start
} from "../ArchiveBuilder.ts"
import { type ArchiveFiles, memoryReader } from "../MemoryReader.ts"
import { both, changed, codes, expectCodes, flip, key, notices, tampered, verify, without } from "../Verification.ts"

describe("states of a crash are not alarms", () => {
  it("entries, tiles and documents newer than the head", async () => {
    const builder = smallArchive()
    builder.window({ from: start + 3 * hour, to: start + 3 * hour + 10 * minute, lines: "{}\n" })
    await expectCodes(builder.files, [], 0)
    await expectCodes(builder.writeTiles().files, [], 0)
    const report = await expectCodes(builder.writeArchivedCheckpoint().files, [], 0)
    assert.strictEqual(report.size, 19)
    assert.include(notices(report), "CHECKPOINT_BEHIND")
    const published = await expectCodes(builder.writeServedCheckpoint().files, [], 0)
    assert.notInclude(notices(published), "CHECKPOINT_BEHIND")
  })

  it("a document stored for an append that never came, and a stray file, are noticed only", async () => {
    const builder = smallArchive()
    builder.store(ascii("never appended\n"))
    builder.files.set(key("tile/0/.000.tmp"), Uint8Array.of(1))
    const report = await expectCodes(builder.files, [], 0)
    assert.sameMembers([...notices(report)], ["GAP_DECLARED", "UNACCOUNTED_FILE", "UNREFERENCED_DOCUMENT"])
  })

  it("tiles that run past the head are compared as far as the head reaches", async () => {
    const builder = smallArchive()
    builder.gap({ from: start + 3 * hour, to: start + 4 * hour }, start + 4 * hour)
    builder.writeTiles()
    const cleaned = without(builder.files, key(entriesPath(0, 18)), key(tilePath(0, 0, 18)))
    await expectCodes(cleaned, [], 0)
    const beyond = (bytes: Uint8Array) => flip(bytes.length - 1)(bytes)
    await expectCodes(changed(cleaned, key(tilePath(0, 0, 19)), beyond), [], 0)
    await tampered(changed(cleaned, key(tilePath(0, 0, 19)), flip(17 * 32)), "TILE_MISMATCH")
  })

  it("no checkpoint served yet is inconclusive", async () => {
    const builder = hourOfWindows(new ArchiveBuilder().begin(), start).heartbeat(firstEpoch).writeTiles()
    const report = await verify(builder.files)
    assert.deepStrictEqual([exitCode(report, both), report.verdict.integrity], [2, "INCONCLUSIVE"])
    const signed = await verify(builder.writeArchivedCheckpoint().files)
    assert.deepStrictEqual([exitCode(signed, both), signed.size], [2, 9])
    assert.include(codes(signed), "CHECKPOINT_MISSING")
  })
})

describe("an archive that is published while it is verified", () => {
  /** Does `act` once, just before the first call that asks for a key with this part. */
  const interrupted = (files: ArchiveFiles, part: string, act: () => void) => {
    const reader = memoryReader(files)
    let done = false
    const before = (asked: string) => {
      if (done || !asked.includes(part)) return
      done = true
      act()
    }
    return {
      // Listed at once, as a directory is: what is written later is not in it.
      list: async function*(prefix: string) {
        before(`list ${prefix}`)
        const listed = []
        for await (const file of reader.list(prefix)) listed.push(file)
        yield* listed
      },
      read: (asked: string) => {
        before(asked)
        return reader.read(asked)
      },
      hash: reader.hash
    }
  }
  const more = (builder: ArchiveBuilder) =>
    builder.window({ from: start + 3 * hour, to: start + 3 * hour + 10 * minute, lines: "{}\n" })

  it.each([
    ["the archived heads are listed", "checkpoint.d/"],
    ["the whole ledger is listed", `list ${ledgerPrefix(origin)}/`],
    ["the first archived head is read", "checkpoint.d/00000000000000000009"],
    ["the entries are read", "tile/entries"]
  ])("passes when a head is published before %s", async (_, part) => {
    const builder = smallArchive()
    let acted = false
    const reader = interrupted(builder.files, part, () => {
      acted = true
      more(builder).publish()
    })
    const report = await verifyArchive(reader, { keys: [log.key] })
    assert.deepStrictEqual([acted, codes(report), exitCode(report, both)], [true, [], 0])
  })

  it.each([["tile/entries/000.p/18"], ["tile/0/000.p/18"]])("passes when %s is cleaned up just then", async (part) => {
    const builder = smallArchive()
    let acted = false
    const reader = interrupted(builder.files, part, () => {
      acted = true
      more(builder).publish()
      for (const name of [entriesPath(0, 18), tilePath(0, 0, 18)]) builder.files.delete(key(name))
    })
    const report = await verifyArchive(reader, { keys: [log.key] })
    assert.deepStrictEqual([acted, codes(report), exitCode(report, both)], [true, [], 0])
  })

  it("compares the wider tile that replaced a cleaned up one", async () => {
    const builder = smallArchive()
    const reader = interrupted(builder.files, "tile/0/000.p/18", () => {
      more(builder).publish()
      builder.files.delete(key(tilePath(0, 0, 18)))
      const wider = key(tilePath(0, 0, 19))
      builder.files.set(wider, flip(5)(builder.files.get(wider) ?? ascii("")))
    })
    assert.include(codes(await verifyArchive(reader, { keys: [log.key] })), "TILE_MISMATCH")
  })
})
