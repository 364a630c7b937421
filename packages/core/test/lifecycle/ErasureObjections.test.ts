import { assert, describe, it } from "@effect/vitest"
import { JobId } from "@rainlogs/core/domain/Identifier"
import { type ErasureTarget, retentionStart } from "@rainlogs/core/lifecycle/Erasure"
import { objectionTo } from "@rainlogs/core/lifecycle/ErasureObjections"
import type { Hold } from "@rainlogs/verify/Hold"
import type { Policy } from "@rainlogs/verify/Policy"

const day = 86_400_000
const origin = "archive.example.eu/t/6f1c1e0e-3b1a-4c37-8a55-0d5b7e9a2f10"
const chain = "9d2a6c1e-58a7-4f2f-9b0e-6d7f4c8b1a22"

const policy = (days: number): Policy => ({
  origin,
  version: 1,
  retention: [{ class: "default", days }],
  retentionMinimum: 1,
  heartbeat: { epoch: 1, tolerance: 0 },
  anchorLag: 0,
  eraseQuorum: 1,
  approvers: []
})

const target: ErasureTarget = {
  job: JobId.make("01980000-0000-7000-8000-000000000010"),
  chain,
  seq: 0,
  object: "00".repeat(32),
  hash: "00".repeat(32),
  key: "logs/x",
  dek: null,
  window: { from: 10 * day, to: 11 * day },
  archived: 12 * day,
  size: 1,
  erasure: null
}

const hold = (from: number, to: number, of = chain): Hold => ({
  origin,
  id: "01980000-0000-7000-8000-0000000000aa",
  scopes: [{ chain: of, from, to }],
  basis: "case 7",
  issued: 0
})

const why = (
  erasure: Parameters<typeof objectionTo>[1],
  situation: Partial<Parameters<typeof objectionTo>[2]>,
  of = target
) => objectionTo(of, erasure, { policies: [policy(30)], holds: [], at: 1000 * day, ...situation })?.detail ?? null

const byLaw = { reason: "gdpr-art17", method: "delete" } as const
const byTime = { reason: "retention", method: "delete" } as const

describe("what speaks against an erasure", () => {
  it("is a hold that shares a millisecond with the window, of its chain or of all", () => {
    for (const over of [hold(11 * day - 1, 20 * day), hold(0, 10 * day + 1), hold(0, 20 * day, "*")]) {
      assert.include(why(byLaw, { holds: [over] }) ?? "", "under the legal hold 01980000")
    }
    for (const beside of [hold(11 * day, 20 * day), hold(0, 10 * day), hold(0, 20 * day, origin.slice(-36))]) {
      assert.isNull(why(byLaw, { holds: [beside] }))
    }
  })

  it("is that there is no key to destroy", () => {
    const shred = { reason: "gdpr-art17", method: "crypto-erase" } as const
    assert.include(why(shred, {}) ?? "", "is not encrypted")
    assert.isNull(why(shred, {}, { ...target, dek: "01980000-0000-8000-8000-000000000001" }))
    assert.isNull(why(byLaw, {}))
  })

  it("is retention to the millisecond, by the longest policy, from the end or the archiving, whichever is later", () => {
    assert.strictEqual(retentionStart(target), 12 * day)
    assert.strictEqual(retentionStart({ ...target, archived: 0 }), 11 * day)
    assert.include(why(byTime, { at: 42 * day - 1 }) ?? "", "is kept for 30 days")
    assert.isNull(why(byTime, { at: 42 * day }))
    for (const policies of [[policy(30), policy(31)], [policy(31), policy(30)]]) {
      assert.include(why(byTime, { at: 42 * day, policies }) ?? "", "is kept for 31 days")
    }
    assert.isNull(why(byLaw, { at: 0 }))
  })
})
