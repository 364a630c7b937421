import { assert, beforeAll, describe, it } from "vitest"
import { type Keys, printKeys } from "../../src/Keys.ts"
import { checkpointKey } from "../../src/Layout.ts"
import { verify as verifySignature } from "../../src/node/NativeEd25519.ts"
import { type NoteSigner, parseNote, printNote, signNote } from "../../src/Note.ts"
import { exitCode } from "../../src/Report.ts"
import { type ArchiveBuilder, clock, log, minute, origin, signer, start } from "../../src/tampering/ArchiveBuilder.ts"
import {
  addDay,
  beginEvidence,
  day,
  rotate,
  secondClock,
  secondLog,
  witness
} from "../../src/tampering/EvidenceArchive.ts"
import type { VerifierKey } from "../../src/VerifierKey.ts"
import { verifyArchive } from "../../src/VerifyArchive.ts"
import { memoryReader } from "../MemoryReader.ts"

const verify = async (builder: ArchiveBuilder, ...keys: ReadonlyArray<VerifierKey>) => {
  const trusted = [...keys.length === 0 ? [log.key] : keys, witness.key]
  const report = await verifyArchive(memoryReader(builder.files), { keys: trusted, verifySignature })
  const codes = report.findings
    .filter(({ question, severity }) => question === "integrity" && severity !== "notice")
    .map(({ code }) => code)
  return { codes: [...new Set(codes)].sort(), exit: exitCode(report, ["integrity"]) }
}

describe("a change of the log's keys", () => {
  let built: ArchiveBuilder
  let rotated: ArchiveBuilder
  const now = start + 2 * day + 10 * minute
  beforeAll(async () => {
    built = beginEvidence()
    for (let number = 0; number < 2; number++) await addDay(built, number)
    rotated = rotate(built.copy(), now)
    await addDay(rotated, 2)
    rotated.publish()
  })
  const changed = (change: Partial<Keys>, signers: ReadonlyArray<NoteSigner>): ArchiveBuilder => {
    const builder = built.copy()
    const text = printKeys({
      origin,
      version: 2,
      previous: log.key,
      log: secondLog.key,
      clock: secondClock.key,
      revoked: [],
      ...change
    })
    return builder.event("keys", printNote(signNote(text, signers)), now)
  }

  it("is followed from the key before and from the new one, and from no other", async () => {
    assert.deepStrictEqual(await verify(rotated), { codes: [], exit: 0 })
    assert.deepStrictEqual(await verify(rotated, secondLog.key), { codes: [], exit: 0 })
    assert.deepStrictEqual(await verify(rotated, log.key, clock.key, secondClock.key), { codes: [], exit: 0 })
    const stranger = await verify(rotated, signer(origin, 1, 90).key)
    assert.include(stranger.codes, "UNKNOWN_KEY")
    assert.notStrictEqual(stranger.exit, 0)
  })

  it("needs both signatures, the key in force before, and the next version", async () => {
    const third = signer(origin, 1, 91)
    for (
      const builder of [
        changed({}, [log]),
        changed({}, [secondLog]),
        changed({ previous: third.key }, [third, secondLog]),
        changed({ version: 3 }, [log, secondLog])
      ]
    ) {
      const { codes, exit } = await verify(builder.publish())
      assert.deepStrictEqual([codes, exit], [["KEYS_UNAUTHORISED"], 1])
    }
  })

  it("leaves the old key without a say over later heads, and the new one over earlier heads", async () => {
    const old = changed({}, [log, secondLog]).publish()
    assert.deepStrictEqual(await verify(old), { codes: ["KEY_NOT_IN_FORCE", "UNSIGNED"], exit: 1 })
    const early = built.copy()
    early.signers.push({ fromSize: 0, log: secondLog, clock: secondClock })
    early.publish()
    const text = printKeys({
      origin,
      version: 2,
      previous: log.key,
      log: secondLog.key,
      clock: secondClock.key,
      revoked: []
    })
    early.store(printNote(signNote(text, [log, secondLog])))
    assert.include((await verify(early)).codes, "KEY_NOT_IN_FORCE")
  })

  it("takes no document of a revoked key that is chained after the revocation", async () => {
    const revoked = [{ id: log.key.id, since: start + day, reason: "compromised" }]
    const policy = (): string => {
      const first = [...built.files].find(([key, bytes]) =>
        key.includes("/event/") && new TextDecoder().decode(bytes).startsWith("rainlogs-policy/v1")
      )
      return parseNote(first![1]).text.replace("version 1\n", "version 2\n")
    }
    const chained = (change: Partial<Keys>, ...signers: ReadonlyArray<NoteSigner>): ArchiveBuilder => {
      const builder = changed(change, [log, secondLog])
      builder.signers.push({ fromSize: builder.entries.length, log: secondLog, clock: secondClock })
      return builder.event("policy", printNote(signNote(policy(), signers)), now).publish()
    }
    // While keys only changed, a document on its way is taken.
    assert.deepStrictEqual(await verify(chained({}, log)), { codes: [], exit: 0 })
    assert.deepStrictEqual(await verify(chained({ revoked }, log)), { codes: ["REVOKED_KEY"], exit: 1 })
    assert.deepStrictEqual(await verify(chained({ revoked }, log), secondLog.key), { codes: ["REVOKED_KEY"], exit: 1 })
    assert.deepStrictEqual(await verify(chained({ revoked }, secondLog)), { codes: [], exit: 0 })
    assert.deepStrictEqual(await verify(chained({ revoked }, signer("stranger.example", 1, 92))), {
      codes: ["UNSIGNED"],
      exit: 1
    })
  })

  it("keeps what a revoked key signed while the new key or an earlier anchor covers it", async () => {
    const revoked = [{ id: log.key.id, since: start + day, reason: "compromised" }]
    const builder = changed({ revoked }, [log, secondLog])
    builder.signers.push({ fromSize: builder.entries.length, log: secondLog, clock: secondClock })
    assert.deepStrictEqual(await verify(builder.publish()), { codes: [], exit: 0 })
    // Without the new key's head, the last head is one that the revoked key signed after the revocation.
    const cut = built.copy().publish()
    cut.files.set(checkpointKey(origin), cut.sign().served)
    const document = [...builder.files].find(([key]) => key.includes(`/event/${builder.entries.at(-1)?.object}`))
    if (document !== undefined) cut.files.set(...document)
    assert.deepStrictEqual(await verify(cut), { codes: ["REVOKED_KEY"], exit: 1 })
  })
})
