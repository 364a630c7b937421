import { assert, describe, it } from "vitest"
import { encode as ascii } from "../../src/Ascii.ts"
import { parseCheckpoint, printCheckpoint } from "../../src/Checkpoint.ts"
import { printGenesis } from "../../src/Genesis.ts"
import { checkpointArchiveKey, checkpointKey } from "../../src/Layout.ts"
import { parseNote, printNote, signNote } from "../../src/Note.ts"
import { exitCode } from "../../src/Report.ts"
import { makeVerifierKey } from "../../src/VerifierKey.ts"
import { VerifierKeyError, verifyArchive } from "../../src/VerifyArchive.ts"
import {
  ArchiveBuilder,
  clock,
  firstEpoch,
  hour,
  hourOfWindows,
  log,
  origin,
  smallArchive,
  start
} from "../ArchiveBuilder.ts"
import { memoryReader } from "../MemoryReader.ts"
import { both, codes, expectCodes, flip, tampered, verify, without } from "../Verification.ts"

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
    // The clock's key is that of a genesis which is not believed.
    await tampered(hourOfWindows(builder, start).publish().files, "GENESIS_MISMATCH", "UNKNOWN_KEY")
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
