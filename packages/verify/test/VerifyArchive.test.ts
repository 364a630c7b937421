import { assert, describe, it } from "vitest"
import { encode as ascii } from "../src/Ascii.ts"
import * as Bytes from "../src/Bytes.ts"
import { parseCheckpoint, printCheckpoint } from "../src/Checkpoint.ts"
import { printEntry } from "../src/Entry.ts"
import { heartbeatSource } from "../src/Gap.ts"
import { printGenesis } from "../src/Genesis.ts"
import { checkpointArchiveKey, checkpointKey, ledgerKey, ledgerPrefix } from "../src/Layout.ts"
import { parseNote, printNote, signNote } from "../src/Note.ts"
import { exitCode, type Finding, type Report } from "../src/Report.ts"
import { entriesPath, tilePath } from "../src/Tile.ts"
import { makeVerifierKey } from "../src/VerifierKey.ts"
import { VerifierKeyError, verifyArchive } from "../src/VerifyArchive.ts"
import {
  ArchiveBuilder,
  clock,
  firstEpoch,
  hour,
  hourOfWindows,
  largeArchive,
  log,
  minute,
  origin,
  smallArchive,
  source,
  start,
  zone
} from "./ArchiveBuilder.ts"
import { type ArchiveFiles, memoryReader } from "./MemoryReader.ts"

const verify = (files: ArchiveFiles): Promise<Report> => verifyArchive(memoryReader(files), { keys: [log.key] })
const both = ["integrity", "completeness"] as const
const contested = (report: Report): ReadonlyArray<Finding> =>
  report.findings.filter(({ question, severity }) =>
    severity !== "notice" && (question === "integrity" || question === "completeness")
  )
const codes = (report: Report): ReadonlyArray<string> => [...new Set(contested(report).map(({ code }) => code))].sort()
const notices = (report: Report): ReadonlyArray<string> =>
  report.findings.filter(({ severity }) => severity === "notice").map(({ code }) => code)

/** The archive must give exactly these contested codes and this exit code. */
const expectCodes = async (files: ArchiveFiles, expected: ReadonlyArray<string>, exit: number): Promise<Report> => {
  const report = await verify(files)
  assert.deepStrictEqual(codes(report), [...expected].sort(), JSON.stringify(contested(report), null, 1))
  assert.strictEqual(exitCode(report, both), exit)
  return report
}
// A finding against integrity always leaves completeness unproven as well.
const tampered = (files: ArchiveFiles, ...expected: ReadonlyArray<string>) =>
  expectCodes(files, [...expected, "INTEGRITY_NOT_PROVEN"], 1)

const changed = (files: ArchiveFiles, key: string, change: (bytes: Uint8Array) => Uint8Array): ArchiveFiles => {
  const bytes = files.get(key)
  if (bytes === undefined) throw new Error(`no ${key}`)
  return new Map(files).set(key, change(bytes))
}
const without = (files: ArchiveFiles, ...keys: ReadonlyArray<string>): ArchiveFiles => {
  const rest = new Map(files)
  for (const key of keys) if (!rest.delete(key)) throw new Error(`no ${key}`)
  return rest
}
const flip = (at: number) => (bytes: Uint8Array) => bytes.map((byte, index) => index === at ? byte ^ 0x10 : byte)
const key = (path: string) => ledgerKey(origin, path)
const objectKeys = (files: ArchiveFiles) => [...files.keys()].filter((name) => name.startsWith("logs/"))
const entryAt = (builder: ArchiveBuilder, index: number) => {
  const entry = builder.entries[index]
  if (entry === undefined) throw new Error(`no entry ${index}`)
  return entry
}
/** Publishes the changed entries of a builder as if they had been the history from the start. */
const republished = (builder: ArchiveBuilder): ArchiveFiles => {
  for (const name of builder.files.keys()) {
    if (/\/(tile|checkpoint\.d|checkpoint)(\/|$)/.test(name)) builder.files.delete(name)
  }
  return builder.publish().files
}

describe("a valid archive", () => {
  it("passes integrity and completeness, and leaves the other two open", async () => {
    const report = await verify(smallArchive().files)
    assert.deepStrictEqual(contested(report), [])
    assert.deepStrictEqual(report.verdict, {
      integrity: "PASS",
      completeness: "PASS",
      anchoring: "INCONCLUSIVE",
      erasures: "INCONCLUSIVE"
    })
    assert.deepStrictEqual([exitCode(report, both), exitCode(report), exitCode(report, [])], [0, 2, 2])
    assert.deepStrictEqual(notices(report), ["GAP_DECLARED"])
    const open = report.findings.filter(({ severity }) => severity === "inconclusive").map(({ code }) => code)
    assert.deepStrictEqual(open, ["NO_ANCHOR", "ERASURES_NOT_EVALUATED"])
    assert.deepStrictEqual(report.coverage, [{
      chain: zone,
      source,
      from: start,
      to: start + 3 * hour,
      windows: 12,
      empty: 2,
      records: 20,
      bytes: 1440,
      gaps: [{ from: start + hour, to: start + 2 * hour, reason: "outage", detail: "host restarted" }]
    }])
    assert.deepStrictEqual([report.size, report.counts.heartbeats, report.counts.objects], [18, 3, 10])
    assert.deepStrictEqual([report.headTime, report.clockTime], [
      start + 3 * hour + 5 * minute,
      start + 3 * hour + 2000
    ])
  })

  it("passes with full tiles and two levels, and when superseded partial tiles were cleaned up", async () => {
    const { files } = largeArchive(6)
    assert.isTrue(files.has(key(tilePath(0, 0))) && files.has(key(tilePath(1, 0, 1))))
    const report = await expectCodes(files, [], 0)
    assert.deepStrictEqual([report.size, report.counts.tiles], [368, 8])
    const stale = [...files.keys()].filter((name) => name.includes("/000.p/") && !name.includes("tile/1/"))
    assert.isAbove(stale.length, 4)
    await expectCodes(without(files, ...stale), [], 0)
  })

  it("counts several chains and sources on their own", async () => {
    const builder = hourOfWindows(new ArchiveBuilder().begin(), start)
    const other = "0d2a6c1e-58a7-4f2f-9b0e-6d7f4c8b1a23"
    builder.window({ chain: other, from: start, to: start + hour, lines: "{}\n" })
    builder.window({ source: "cloudflare/security-events", from: start, to: start + hour, lines: null })
    const report = await expectCodes(builder.heartbeat(firstEpoch).publish().files, [], 0)
    assert.deepStrictEqual(report.coverage.map(({ chain, source }) => [chain, source]), [
      [other, source],
      [zone, source],
      [zone, "cloudflare/security-events"]
    ])
  })
})

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

describe("objects and documents", () => {
  it("a flipped bit, an appended byte and a missing object are found", async () => {
    const { files } = smallArchive()
    const [first = ""] = objectKeys(files)
    const report = await tampered(changed(files, first, flip(20)), "OBJECT_HASH_MISMATCH")
    const finding = contested(report).find(({ code }) => code === "OBJECT_HASH_MISMATCH")
    assert.deepStrictEqual([finding?.chain, finding?.seq, finding?.key], [zone, 0, first])
    await tampered(changed(files, first, (bytes) => Bytes.concat(bytes, Uint8Array.of(10))), "OBJECT_HASH_MISMATCH")
    await tampered(without(files, first), "UNAUTHORISED_DELETION")
  })

  it("a missing, changed or resized document is found", async () => {
    const builder = smallArchive()
    for (const kind of ["genesis", "policy", "heartbeat", "gap"] as const) {
      const entry = builder.entries.find((candidate) => candidate.kind === kind)
      const path = key(entry?.key ?? "")
      const missing = await verify(without(builder.files, path))
      assert.include(codes(missing), "UNAUTHORISED_DELETION", kind)
      assert.strictEqual(exitCode(missing, both), 1)
      const flipped = await verify(changed(builder.files, path, flip(30)))
      assert.include(codes(flipped), "OBJECT_HASH_MISMATCH", kind)
      const resized = await verify(changed(builder.files, path, (bytes) => bytes.subarray(1)))
      assert.include(codes(resized), "OBJECT_HASH_MISMATCH", kind)
    }
    const params = [...builder.files.keys()].find((name) =>
      name.includes("/event/") && !builder.entries.some((entry) => name.endsWith(entry.key ?? "-"))
    )
    await tampered(without(builder.files, params ?? ""), "UNAUTHORISED_DELETION")
    await tampered(changed(builder.files, params ?? "", flip(3)), "OBJECT_HASH_MISMATCH")
  })

  it("a size that is not the stored one is found, even when the hash is right", async () => {
    for (const kind of ["object", "policy"] as const) {
      const builder = smallArchive()
      const index = builder.entries.findIndex((entry) => entry.kind === kind)
      const entry = entryAt(builder, index)
      builder.entries[index] = { ...entry, size: entry.size + 1 }
      assert.include(codes(await verify(republished(builder))), "OBJECT_HASH_MISMATCH", kind)
    }
  })

  it("an object under a key that its entry does not imply is not read", async () => {
    const builder = smallArchive()
    const entry = entryAt(builder, 2)
    builder.entries[2] = { ...entry, key: "logs/elsewhere" }
    await tampered(republished(builder), "OBJECT_KEY_MISMATCH")
  })

  it("a missing object under a tombstone is neither tampering nor a pass", async () => {
    const tombstone = (builder: ArchiveBuilder, done: "intent" | "done") => {
      const entry = entryAt(builder, 2)
      const text = `rainlogs-tombstone/v1\norigin ${origin}\nid 01980000-0000-7000-8000-000000000030\nphase ${done}\n` +
        `target ${entry.chain} ${entry.seq} ${entry.object} ${entry.hash}\nreason retention\nmethod delete\n` +
        `policy ${entry.object}\nbasis x\nrequested 1\nnot-before 1\n` +
        (done === "done" ? `executed 2\nintent ${entry.hash}\n` : "")
      const note = { text, signatures: [{ name: "approver", id: 1, signature: new Uint8Array(64) }] }
      return builder.event("tombstone", printNote(note), start + 3 * hour + 10 * minute)
    }
    const announced = tombstone(smallArchive(), "intent").publish()
    const [first = ""] = objectKeys(announced.files)
    await expectCodes(without(announced.files, first), ["DELETION_INCOMPLETE", "INTEGRITY_NOT_PROVEN"], 2)
    const reported = tombstone(announced, "done").publish()
    await expectCodes(without(reported.files, first), ["DELETION_NOT_EVALUATED", "INTEGRITY_NOT_PROVEN"], 2)
    const [, second = ""] = objectKeys(announced.files)
    await tampered(without(reported.files, second), "UNAUTHORISED_DELETION")
  })
})

describe("heads and signatures", () => {
  const { files } = smallArchive()
  const served = checkpointKey(origin)
  const note = parseNote(files.get(served) ?? new Uint8Array(0))
  const [logLine, clockLine] = note.signatures
  if (logLine === undefined || clockLine === undefined) throw new Error("two lines are signed")
  const withLines = (...lines: ReadonlyArray<typeof logLine>) =>
    new Map(files).set(served, printNote({ text: note.text, signatures: lines }))
  const broken = (line: typeof logLine) => ({ ...line, signature: flip(9)(line.signature) })

  it("an unsigned head is UNSIGNED, in every form", async () => {
    await tampered(withLines(clockLine), "UNSIGNED")
    await tampered(withLines(logLine), "UNSIGNED")
    await tampered(new Map(files).set(served, ascii(note.text)), "UNSIGNED")
    await tampered(new Map(files).set(served, ascii(`${note.text}\n`)), "UNSIGNED")
  })

  it("a corrupt line of the log or the clock rejects the head, also beside a valid one", async () => {
    await tampered(withLines(broken(logLine), clockLine), "BAD_SIGNATURE")
    await tampered(withLines(logLine, broken(clockLine)), "BAD_SIGNATURE")
    await tampered(withLines(logLine, clockLine, broken(logLine)), "BAD_SIGNATURE")
  })

  it("lines of strangers are ignored", async () => {
    await expectCodes(withLines(logLine, clockLine, { ...logLine, name: "witness.example.org" }), [], 0)
  })

  it("another key of the same name is UNKNOWN_KEY, another origin too, no ledger is NOTHING_VERIFIED", async () => {
    const stranger = makeVerifierKey(origin, 1, clock.key.publicKey)
    const report = await verifyArchive(memoryReader(files), { keys: [stranger] })
    assert.include(codes(report), "UNKNOWN_KEY")
    assert.deepStrictEqual([exitCode(report, both), report.verdict.integrity], [2, "INCONCLUSIVE"])
    const elsewhere = makeVerifierKey(origin.replace("archive", "other"), 1, log.key.publicKey)
    const other = await verifyArchive(memoryReader(files), { keys: [elsewhere] })
    assert.deepStrictEqual(codes(other), ["NOTHING_VERIFIED", "UNKNOWN_KEY"])
    assert.strictEqual(exitCode(other, both), 2)
    const nothing = await verifyArchive(memoryReader(new Map()), { keys: [log.key] })
    assert.deepStrictEqual([codes(nothing), exitCode(nothing, both)], [["NOTHING_VERIFIED"], 2])
  })

  it("no key, or keys of several ledgers, are refused", async () => {
    const second = makeVerifierKey(origin.replace("archive", "other"), 1, log.key.publicKey)
    for (const keys of [[], [clock.key], [log.key, second]]) {
      const outcome = await verifyArchive(memoryReader(files), { keys }).catch((error: unknown) => error)
      assert.instanceOf(outcome, VerifierKeyError)
    }
    const fine = await verifyArchive(memoryReader(files), { keys: [clock.key, log.key] })
    assert.strictEqual(exitCode(fine, both), 0)
    const otherClock = makeVerifierKey(clock.key.name, 4, log.key.publicKey)
    const report = await verifyArchive(memoryReader(files), { keys: [otherClock, log.key] })
    assert.include(codes(report), "GENESIS_MISMATCH")
  })

  it("what the log signed for another origin, or a genesis that names another log key, is no part of this ledger", async () => {
    const other = origin.replace("archive", "other")
    const head = parseCheckpoint(note.text)
    const foreign = printNote(signNote(printCheckpoint({ ...head, origin: other }), [log]))
    await tampered(new Map(files).set(served, foreign), "ORIGIN_MISMATCH")
    const beat = hourOfWindows(new ArchiveBuilder().begin(), start).heartbeat(firstEpoch, { origin: other }).publish()
    await tampered(beat.files, "ORIGIN_MISMATCH")
    const stranger = makeVerifierKey(origin, 1, clock.key.publicKey)
    const genesis = printGenesis({ origin, log: stranger, clock: clock.key })
    const builder = new ArchiveBuilder().event("genesis", printNote(signNote(genesis, [log])), start).policy(start + 1)
    await tampered(hourOfWindows(builder, start).publish().files, "GENESIS_MISMATCH")
  })

  it("an archived head must be there, in its place, and exactly as signed", async () => {
    const at18 = checkpointArchiveKey(origin, 18)
    await tampered(without(files, at18), "CHECKPOINT_MISSING")
    await tampered(
      new Map(files).set(checkpointArchiveKey(origin, 17), files.get(at18) ?? ascii("")),
      "CHECKPOINT_MISPLACED"
    )
    const report = await verify(new Map(files).set(at18, files.get(served) ?? ascii("")))
    assert.deepStrictEqual([exitCode(report, both), codes(report)], [3, [
      "INTEGRITY_NOT_PROVEN",
      "MALFORMED_CHECKPOINT"
    ]])
  })

  it("two signed histories are EQUIVOCATION", async () => {
    const forged = smallArchive().signRoot(9, new Uint8Array(32).fill(1)).immutable
    await tampered(new Map(files).set(checkpointArchiveKey(origin, 9), forged), "EQUIVOCATION")
    const forgedHead = smallArchive().signRoot(18, new Uint8Array(32).fill(1)).immutable
    await tampered(new Map(files).set(checkpointArchiveKey(origin, 18), forgedHead), "EQUIVOCATION")
  })

  it("a newer signed head without its entries is TRUNCATED", async () => {
    const builder = smallArchive()
    builder.gap({ from: start + 3 * hour, to: start + 4 * hour }, start + 4 * hour).writeArchivedCheckpoint()
    const report = await verify(builder.files)
    assert.include(codes(report), "TRUNCATED")
    assert.strictEqual(exitCode(report, both), 1)
  })

  it("an empty signed tree verifies nothing", async () => {
    const report = await verify(new ArchiveBuilder().publish().files)
    assert.deepStrictEqual([codes(report), exitCode(report, both)], [["NOTHING_VERIFIED"], 2])
  })
})

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

describe("tiles", () => {
  it("a changed, cut or missing tile is found at every level", async () => {
    const { files } = largeArchive(6)
    for (const path of [tilePath(0, 0), tilePath(0, 0, 63), tilePath(0, 1, 112), tilePath(1, 0, 1)]) {
      await tampered(changed(files, key(path), flip(5)), "TILE_MISMATCH")
      await tampered(changed(files, key(path), (bytes) => bytes.subarray(32)), "TILE_MISMATCH")
    }
    for (const path of [tilePath(0, 0), tilePath(0, 1, 112)]) await tampered(without(files, key(path)), "TILE_MISSING")
    const levels = [...files.keys()].filter((name) => name.startsWith(key("tile/1/")))
    await tampered(without(files, ...levels), "TILE_MISSING")
  })

  it("a changed or missing bundle is found, partial ones too", async () => {
    const { files } = largeArchive(6)
    await tampered(changed(files, key(entriesPath(0, 63)), flip(500)), "TILE_MISMATCH")
    const missing = await verify(without(files, key(entriesPath(1, 112))))
    assert.include(codes(missing), "TRUNCATED")
    const cut = await verify(changed(files, key(entriesPath(1, 112)), (bytes) => bytes.subarray(0, -1)))
    assert.deepStrictEqual([exitCode(cut, both), codes(cut).includes("MALFORMED_ENTRY")], [3, true])
  })
})

describe("coverage", () => {
  const base = () => new ArchiveBuilder().begin()
  const windowAt = (builder: ArchiveBuilder, from: number, to: number, horizon: number | null = 7 * 24 * hour) =>
    builder.window({ from: start + from * minute, to: start + to * minute, lines: null, horizon })

  it("a hole is pending while the source can be read again, a gap afterwards", async () => {
    const short = windowAt(windowAt(base(), 0, 10, 30 * minute), 20, 30, 30 * minute).publish()
    await expectCodes(short.files, ["COVERAGE_PENDING"], 2)
    // Pending until the hole's end (20) + horizon (30) + one hour: minute 110.
    const close = (at: number) => {
      const builder = windowAt(windowAt(base(), 0, 10, 30 * minute), 20, 30, 30 * minute).heartbeat(firstEpoch)
      const end = { from: start + 30 * minute, to: start + 40 * minute, lines: null, horizon: 30 * minute }
      return builder.window({ ...end, time: start + at * minute }).publish()
    }
    await expectCodes(close(109).files, ["COVERAGE_PENDING"], 2)
    await expectCodes(close(110).files, ["COVERAGE_GAP"], 1)
  })

  it("the largest horizon of the source counts; without one a hole is a gap at once", async () => {
    const mixed = windowAt(windowAt(base(), 0, 10, null), 20, 30).publish()
    await expectCodes(mixed.files, ["COVERAGE_PENDING"], 2)
    const none = windowAt(windowAt(base(), 0, 10, null), 20, 30, null).publish()
    await expectCodes(none.files, ["COVERAGE_GAP"], 1)
  })

  it("overlapping windows and gaps are WINDOW_OVERLAP, in any order", async () => {
    await expectCodes(windowAt(windowAt(base(), 0, 10), 9, 20).publish().files, ["WINDOW_OVERLAP"], 1)
    await expectCodes(windowAt(windowAt(base(), 10, 20), 0, 11).publish().files, ["WINDOW_OVERLAP"], 1)
    await expectCodes(windowAt(windowAt(base(), 0, 10), 0, 10).publish().files, ["WINDOW_OVERLAP"], 1)
    const gap = windowAt(base(), 0, 10).gap({ from: start + 5 * minute, to: start + hour / 2 }, start + hour / 2)
      .publish()
    await expectCodes(gap.files, ["WINDOW_OVERLAP"], 1)
  })

  it("windows may arrive in any order, newest first or around a gap", async () => {
    const order = [[40, 50], [10, 20], [50, 60], [0, 10], [30, 40]] as const
    const builder = order.reduce((built, [from, to]) => windowAt(built, from, to), base())
    builder.gap({ from: start + 20 * minute, to: start + 30 * minute, reason: "expired" }, start + 55 * minute)
    const report = await expectCodes(builder.publish().files, [], 0)
    assert.deepStrictEqual(notices(report), ["GAP_DECLARED"])
    assert.deepStrictEqual(report.coverage.map(({ from, to, windows }) => [from, to, windows]), [
      [start, start + hour, 5]
    ])
  })

  it("a sampled window is noticed", async () => {
    const builder = hourOfWindows(base(), start)
    const index = builder.entries.findIndex((entry) => entry.kind === "object")
    const entry = entryAt(builder, index)
    if (entry.kind === "object") builder.entries[index] = { ...entry, fidelity: "sampled" }
    const report = await expectCodes(republished(builder), [], 0)
    assert.deepStrictEqual(notices(report), ["FIDELITY_LIMITED"])
  })

  it("a ledger without any window proves nothing about completeness", async () => {
    await expectCodes(base().publish().files, ["NOTHING_VERIFIED"], 2)
  })
})

describe("heartbeats", () => {
  const dueAt = (at: number, ...epochs: ReadonlyArray<number>) => {
    const builder = hourOfWindows(new ArchiveBuilder().begin(), start)
    for (const epoch of epochs) builder.heartbeat(firstEpoch + epoch)
    return builder.window({ from: start + hour, to: start + hour + minute, lines: null, time: start + at }).publish()
  }

  it("the next one is missing only after its epoch and the tolerance", async () => {
    await expectCodes(dueAt(hour + 10 * minute).files, [], 0)
    await expectCodes(dueAt(hour + 10 * minute + 1).files, ["HEARTBEAT_GAP"], 1)
    await expectCodes(dueAt(2 * hour + 10 * minute, 0).files, [], 0)
    await expectCodes(dueAt(2 * hour + 10 * minute + 1, 0).files, ["HEARTBEAT_GAP"], 1)
  })

  it("a missing epoch is HEARTBEAT_GAP, a repeated one is out of order", async () => {
    const report = await expectCodes(dueAt(3 * hour, 0, 2).files, ["HEARTBEAT_GAP"], 1)
    assert.match(contested(report)[0]?.detail ?? "", new RegExp(`epoch ${firstEpoch + 1} is missing`))
    await expectCodes(dueAt(2 * hour, 0, 0).files, ["HEARTBEAT_OUT_OF_ORDER"], 1)
    await expectCodes(dueAt(3 * hour, 1).files, ["HEARTBEAT_GAP"], 1)
  })

  it("a declared gap excuses exactly the epochs it covers", async () => {
    const outage = (from: number, to: number) => {
      const builder = hourOfWindows(new ArchiveBuilder().begin(), start).heartbeat(firstEpoch)
      const gap = { chain: "control", source: heartbeatSource, from: start + from * hour, to: start + to * hour }
      builder.gap(gap, start + 4 * hour)
      return builder.heartbeat(firstEpoch + 4, { time: start + 5 * hour + 1000 }).publish()
    }
    const report = await expectCodes(outage(1, 4).files, [], 0)
    assert.deepStrictEqual(notices(report), ["HEARTBEAT_EXCUSED"])
    assert.lengthOf(report.coverage, 1)
    const partly = await expectCodes(outage(2, 3).files, ["HEARTBEAT_GAP"], 1)
    assert.lengthOf(contested(partly), 2)
    await expectCodes(outage(1, 3.5).files, ["HEARTBEAT_GAP"], 1)
  })

  it("a wrong tree size or head is HEARTBEAT_HEAD_MISMATCH", async () => {
    const beat = (change: Parameters<ArchiveBuilder["heartbeat"]>[1]) =>
      hourOfWindows(new ArchiveBuilder().begin(), start).heartbeat(firstEpoch, change).publish().files
    await expectCodes(beat({}), [], 0)
    await expectCodes(beat({ treeSize: 7 }), ["HEARTBEAT_HEAD_MISMATCH"], 1)
    await expectCodes(beat({ heads: [] }), ["HEARTBEAT_HEAD_MISMATCH"], 1)
    const wrong = [{ chain: zone, nextSeq: 6, hash: "11".repeat(32) }]
    await expectCodes(beat({ heads: wrong }), ["HEARTBEAT_HEAD_MISMATCH"], 1)
  })

  it("one written long before its epoch ended is HEARTBEAT_EARLY, one written late is noticed", async () => {
    const at = (time: number) =>
      hourOfWindows(new ArchiveBuilder().begin(), start).heartbeat(firstEpoch, { time: start + time }).publish().files
    await expectCodes(at(50 * minute), [], 0)
    await expectCodes(at(50 * minute - 1), ["HEARTBEAT_EARLY"], 1)
    const late = await expectCodes(at(hour + 11 * minute), [], 0)
    assert.deepStrictEqual(notices(late), ["HEARTBEAT_LATE"])
  })

  it("the policy's epoch and tolerance hold", async () => {
    const builder = hourOfWindows(
      new ArchiveBuilder().begin(start, { heartbeat: { epoch: 2 * hour, tolerance: 0 } }),
      start
    )
    await expectCodes(builder.publish().files, [], 0)
    const epoch = Math.floor(start / (2 * hour))
    builder.heartbeat(epoch, { time: start + 2 * hour }).publish()
    await expectCodes(builder.files, [], 0)
  })
})

describe("policy", () => {
  it("must be there, count its versions and be signed by the log", async () => {
    const genesisOnly = smallArchive()
    genesisOnly.entries.splice(1, 1)
    genesisOnly.relink()
    assert.include(codes(await verify(republished(genesisOnly))), "POLICY_MISSING")
    const skipped = smallArchive().policy(start + 3 * hour + 10 * minute, { version: 3 }).publish()
    await tampered(skipped.files, "POLICY_VERSION_MISMATCH")
    const unsigned = smallArchive()
    const entry = entryAt(unsigned, 1)
    const policy = parseNote(unsigned.files.get(key(entry.key ?? "")) ?? ascii(""))
    const foreign = { ...policy, signatures: policy.signatures.map((line) => ({ ...line, name: "stranger" })) }
    unsigned.event(
      "policy",
      printNote({ ...foreign, text: policy.text.replace("version 1", "version 2") }),
      start + 4 * hour
    )
    assert.include(codes(await verify(unsigned.publish().files)), "UNSIGNED")
  })
})

it("keeps the ledger of every tenant apart in one archive", async () => {
  const tenant = origin.replace("6f1c", "7a2d")
  const files = smallArchive().files
  const prefix = ledgerPrefix(tenant)
  assert.notStrictEqual(prefix, ledgerPrefix(origin))
  const both2 = new Map([...files, [`${prefix}/checkpoint`, ascii("another tenant's\n")] as const])
  await expectCodes(both2, [], 0)
})
