import { assert, describe, it } from "@effect/vitest"
import { MalformedError } from "@rainlogs/verify/Malformed"
import { type NoteSigner, parseNote, printNote, signNote, verifyNote } from "@rainlogs/verify/Note"
import { printPolicy } from "@rainlogs/verify/Policy"
import { printRelease } from "@rainlogs/verify/Release"
import { printTombstone, type Tombstone } from "@rainlogs/verify/Tombstone"
import { printVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Effect, Redacted } from "effect"
import { approve, readApprovable } from "../../src/approval/Approval.ts"
import { ApprovalError } from "../../src/approval/ApprovalError.ts"
import { makeApproverKey, openApproverKey } from "../../src/approval/ApproverKeyFile.ts"

const origin = "archive.example.eu/t/6f1c1e0e-3b1a-4c37-8a55-0d5b7e9a2f10"
const id = "01980000-0000-7000-8000-000000000010"
const passphrase = Redacted.make("correct horse battery")
const bytesOf = (text: string) => new TextEncoder().encode(text)

const approver = (name: string) =>
  Effect.gen(function*() {
    const { bytes } = yield* makeApproverKey(name, passphrase)
    return Redacted.value(yield* openApproverKey(new TextDecoder().decode(bytes), passphrase))
  })

const release = printRelease({ origin, id, hold: id, basis: "case 12 closed", issued: 1_767_225_600_000 })
const announcement: Tombstone = {
  origin,
  id,
  targets: [{ chain: id, seq: 3, object: "ab".repeat(32), hash: "cd".repeat(32) }],
  reason: "gdpr-art17",
  method: "crypto-erase",
  policy: "ef".repeat(32),
  basis: "request 7",
  requested: 1_767_225_600_000,
  notBefore: 1_767_312_000_000,
  done: null
}

const policyOf = (signer: NoteSigner) =>
  printPolicy({
    origin,
    version: 2,
    retention: [{ class: "default", days: 365 }],
    retentionMinimum: 180,
    heartbeat: { epoch: 3_600_000, tolerance: 900_000 },
    anchorLag: 86_400_000,
    eraseQuorum: 1,
    approvers: [signer.key]
  })

describe("the file of an approver's key", () => {
  it.effect("opens with its passphrase, and the seed is not in it", () =>
    Effect.gen(function*() {
      const { bytes, key } = yield* makeApproverKey("approver.example.eu/dpo", passphrase)
      const text = new TextDecoder().decode(bytes)
      const opened = Redacted.value(yield* openApproverKey(text, passphrase))
      assert.strictEqual(printVerifierKey(opened.key), printVerifierKey(key))
      assert.notInclude(text, Buffer.from(opened.seed).toString("base64"))
      const note = signNote(release, [opened])
      assert.deepStrictEqual(verifyNote(note, [key]).verified, [key])
    }))

  it.effect("refuses a wrong passphrase, another key's name, a changed file and a higher cost", () =>
    Effect.gen(function*() {
      const { bytes } = yield* makeApproverKey("approver.example.eu/dpo", passphrase)
      const other = yield* makeApproverKey("approver.example.eu/ceo", passphrase)
      const text = new TextDecoder().decode(bytes)
      const renamed = text.replace(/^key .*$/m, () => `key ${printVerifierKey(other.key)}`)
      const costly = text.replace("scrypt 131072", "scrypt 1048576")
      const refused = (file: string, phrase = passphrase) =>
        Effect.map(Effect.flip(openApproverKey(file, phrase)), (error) => {
          assert.instanceOf(error, ApprovalError)
          return error.detail
        })
      assert.include(yield* refused(text, Redacted.make("correct horse batterz")), "passphrase is wrong")
      assert.include(yield* refused(renamed), "was changed")
      assert.include(yield* refused(costly), "expected scrypt")
      assert.include(yield* refused(`${text}more\n`), "cannot be read")
    }))

  it.effect("is not made with a short passphrase or a name no policy can carry", () =>
    Effect.gen(function*() {
      const short = yield* Effect.flip(makeApproverKey("approver.example.eu/dpo", Redacted.make("short")))
      assert.include(short.detail, "at least 12")
      for (const name of ["", "two words", "a+b", "dpò.example.eu"]) {
        assert.instanceOf(yield* Effect.flip(makeApproverKey(name, passphrase)), ApprovalError)
      }
    }))
})

describe("approving", () => {
  it.effect("adds one line per approver to a draft, a second time nothing", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* approver("approver.example.eu/dpo"), yield* approver("approver.example.eu/ceo")]
      for (const text of [release, printTombstone(announcement), policyOf(one)]) {
        const first = approve(readApprovable(bytesOf(text)), one)
        const both = approve(readApprovable(first), two)
        assert.deepStrictEqual(approve(readApprovable(both), one), both)
        const note = parseNote(both)
        assert.strictEqual(note.text, text)
        assert.deepStrictEqual(verifyNote(note, [one.key, two.key]).verified, [one.key, two.key])
        assert.lengthOf(note.signatures, 2)
      }
    }))

  it("says what an erasure erases and why", () => {
    const words = readApprovable(bytesOf(printTombstone(announcement))).words.join("\n")
    for (const part of ["cannot be undone", "gdpr-art17", "crypto-erase", "entry 3", "2026-01-02T00:00:00.000Z"]) {
      assert.include(words, part)
    }
  })

  it("refuses a checkpoint, a report of an erasure, unknown and malformed documents", () => {
    const done = { executed: 1_767_312_000_001, intent: "01".repeat(32), evidence: null }
    const refused = [
      `${origin}\n7\n${Buffer.alloc(32).toString("base64")}\n`,
      printTombstone({ ...announcement, done }),
      "rainlogs-keys/v1\n",
      `${release}extra\n`,
      release.slice(0, -1),
      ""
    ]
    for (const text of refused) assert.throws(() => readApprovable(bytesOf(text)), MalformedError)
    assert.throws(() => readApprovable(Uint8Array.of(0xff)), MalformedError)
  })

  it.effect("refuses a note with a bad line of the approver", () =>
    Effect.gen(function*() {
      const signer = yield* approver("approver.example.eu/dpo")
      const { signatures } = signNote(policyOf(signer), [signer])
      const forged = printNote({ text: release, signatures })
      assert.throws(() => approve(readApprovable(forged), signer), /bad signature/)
    }))
})
