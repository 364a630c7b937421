import { assert, beforeAll, describe, it } from "vitest"
import { verify as verifySignature } from "../../src/node/NativeEd25519.ts"
import { printNote, signNote } from "../../src/Note.ts"
import { type Policy, printPolicy } from "../../src/Policy.ts"
import { exitCode } from "../../src/Report.ts"
import { type ArchiveBuilder, hour, log, minute, origin, start } from "../../src/tampering/ArchiveBuilder.ts"
import {
  addDay,
  approvers,
  beginEvidence,
  day,
  erase,
  type ErasureDraft,
  hold,
  release,
  targetOf,
  trust,
  windowOf
} from "../../src/tampering/EvidenceArchive.ts"
import { verifyArchive } from "../../src/VerifyArchive.ts"
import { memoryReader } from "../MemoryReader.ts"

const verify = async (builder: ArchiveBuilder) => {
  const report = await verifyArchive(memoryReader(builder.publish().files), { ...trust(), verifySignature })
  const codes = report.findings
    .filter(({ question, severity }) => question === "erasures" && severity !== "notice")
    .map(({ code }) => code)
  return { codes: [...new Set(codes)], exit: exitCode(report, ["integrity", "erasures"]), report }
}

describe("erasures", () => {
  let built: ArchiveBuilder
  beforeAll(async () => {
    built = beginEvidence()
    for (let number = 0; number < 4; number++) await addDay(built, number)
  })
  const now = start + 4 * day + hour
  const erased = (builder: ArchiveBuilder, change: Partial<ErasureDraft> = {}): ArchiveBuilder =>
    erase(builder, {
      number: 1,
      target: targetOf(windowOf(builder, 1)),
      reason: "gdpr-art17",
      signers: approvers,
      announced: now,
      executed: now + minute,
      ...change
    })
  const policy = (builder: ArchiveBuilder, change: Partial<Policy>, signers = [log, ...approvers]): ArchiveBuilder => {
    const text = printPolicy({
      origin,
      version: 2,
      retention: [{ class: "default", days: 180 }],
      retentionMinimum: 180,
      heartbeat: { epoch: day, tolerance: hour },
      anchorLag: 26 * hour,
      eraseQuorum: 2,
      approvers: approvers.map(({ key }) => key),
      ...change
    })
    return builder.event("policy", printNote(signNote(text, signers)), now)
  }

  it("is authorised by the quorum, whether for a person, a court or a tenant that leaves", async () => {
    for (const reason of ["gdpr-art17", "court-order", "tenant-exit"] as const) {
      const { codes, exit, report } = await verify(erased(built.copy(), { reason }))
      assert.deepStrictEqual([codes, exit], [[], 0], reason)
      assert.include(report.findings.map(({ code }) => code), "DELETED_AUTHORISED")
      assert.strictEqual(report.counts.erasures, 1)
    }
  })

  it("is not authorised by the policy before a change, nor by approvers who were removed", async () => {
    const [dpo] = approvers
    const one = policy(built.copy(), { approvers: [dpo.key], eraseQuorum: 1 })
    assert.deepStrictEqual((await verify(erased(one, { signers: [dpo] }))).codes, [])
    const removed = policy(built.copy(), { approvers: [dpo.key], eraseQuorum: 1 })
    const { codes, exit } = await verify(erased(removed, { signers: [approvers[1]] }))
    assert.deepStrictEqual([codes, exit], [["TOMBSTONE_UNAUTHORISED", "UNAUTHORISED_DELETION"], 1])
  })

  it("must not come before it was announced, nor speak of entries that come after it", async () => {
    const early = await verify(erased(built.copy(), { executed: now - hour }))
    assert.deepStrictEqual(early.codes, ["TOMBSTONE_UNAUTHORISED", "UNAUTHORISED_DELETION"])
    const beyond = await verify(erased(built.copy(), { target: { ...targetOf(windowOf(built, 1)), seq: 99 } }))
    assert.deepStrictEqual(beyond.codes, ["TOMBSTONE_TARGET_MISMATCH", "INTEGRITY_NOT_PROVEN"])
  })

  it("waits while a hold is active, and a release by one approver does not end it", async () => {
    const held = hold(built.copy(), 1, now - hour)
    assert.deepStrictEqual((await verify(erased(held))).codes, ["HOLD_VIOLATION", "UNAUTHORISED_DELETION"])
    const freed = release(hold(built.copy(), 1, now - hour), 1, now - minute)
    assert.deepStrictEqual((await verify(erased(freed))).codes, [])
    const other = await verify(erased(hold(built.copy(), 3, now - hour)))
    assert.deepStrictEqual(other.codes, [])
    const unknown = await verify(release(built.copy(), 1, now))
    assert.deepStrictEqual([unknown.codes, unknown.exit], [["RELEASE_UNAUTHORISED"], 1])
  })

  it("lets the log alone lengthen a retention, and nobody but the quorum change anything else", async () => {
    const longer = { retention: [{ class: "default", days: 400 }] }
    assert.deepStrictEqual((await verify(policy(built.copy(), longer, [log]))).codes, [])
    const shorter = { retention: [{ class: "default", days: 30 }], retentionMinimum: 30 }
    assert.deepStrictEqual((await verify(policy(built.copy(), shorter, [log]))).codes, ["POLICY_UNAUTHORISED"])
    assert.deepStrictEqual((await verify(policy(built.copy(), { eraseQuorum: 1 }, [log, approvers[0]]))).codes, [
      "POLICY_UNAUTHORISED"
    ])
    assert.deepStrictEqual((await verify(policy(built.copy(), shorter))).codes, [])
  })

  it("applies a longer retention to what is older than it", async () => {
    const later = start + 182 * day
    const draft = { reason: "retention", signers: [log], announced: later, executed: later + minute } as const
    assert.deepStrictEqual((await verify(erased(built.copy(), draft))).codes, [])
    const longer = policy(built.copy(), { retention: [{ class: "default", days: 400 }] }, [log])
    assert.deepStrictEqual((await verify(erased(longer, draft))).codes, [
      "RETENTION_VIOLATION",
      "UNAUTHORISED_DELETION"
    ])
  })

  it("is pending while it is announced and the object is there", async () => {
    const builder = built.copy()
    const { key } = windowOf(builder, 1)
    const bytes = builder.files.get(key ?? "") ?? new Uint8Array(0)
    erased(builder, { phases: "intent" }).files.set(key ?? "", bytes)
    const { codes, exit, report } = await verify(builder)
    assert.deepStrictEqual([codes, exit], [[], 0])
    assert.include(report.findings.map(({ code }) => code), "ERASURE_PENDING")
  })
})
