import { assert, describe, it } from "@effect/vitest"
import { publicKey } from "@rainlogs/verify/Ed25519"
import { eventPath } from "@rainlogs/verify/Layout"
import { type NoteSigner, parseNote, printNote, signNote, verifyNote } from "@rainlogs/verify/Note"
import { type Policy, printPolicy } from "@rainlogs/verify/Policy"
import { makeVerifierKey, parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Effect, Layer, Option } from "effect"
import { LedgerEvents } from "../../src/ledger/LedgerEvents.ts"
import * as PolicyChangesModule from "../../src/ledger/PolicyChanges.ts"
import { PolicyChanges, PolicyRefused } from "../../src/ledger/PolicyChanges.ts"
import { Signer } from "../../src/ledger/Signer.ts"
import { type LedgerWorld, ledgerWorld } from "./LedgerWorld.ts"
import { ledger } from "./MemoryLedger.ts"

const { origin } = ledger
const now = 1_700_000_000_000
const bytesOf = (text: string) => new TextEncoder().encode(text)

const signer = (name: string, seed: number): NoteSigner => {
  const bytes = new Uint8Array(32).fill(seed)
  return { key: makeVerifierKey(`approver.example.eu/${name}`, 1, publicKey(bytes)), seed: bytes }
}
const [dpo, ceo, ciso] = [signer("dpo", 1), signer("ceo", 2), signer("ciso", 3)]

const build = (world: LedgerWorld) =>
  Layer.build(PolicyChangesModule.layer.pipe(Layer.provideMerge(world.services()), Layer.provideMerge(world.signer)))

const setUp = Effect.gen(function*() {
  const world = yield* ledgerWorld
  const process = yield* build(world)
  yield* Effect.provide(LedgerEvents.use((events) => events.open(ledger)), process)
  const submit = (bytes: Uint8Array) =>
    Effect.provide(PolicyChanges.use((changes) => changes.submit(ledger, bytes, now)), process)
  const inForce = Effect.provide(
    Effect.map(PolicyChanges.use((changes) => changes.inForce(ledger)), Option.getOrThrow),
    process
  )
  const refused = (bytes: Uint8Array) =>
    Effect.map(Effect.flip(submit(bytes)), (error) => {
      assert.instanceOf(error, PolicyRefused)
      return error.detail
    })
  const first = (yield* inForce).policy
  const named: Policy = { ...first, version: 2, approvers: [dpo.key, ceo.key] }
  return { world, process, submit, inForce, refused, first, named }
})

const draft = (policy: Policy) => bytesOf(printPolicy(policy))
const signed = (policy: Policy, ...signers: ReadonlyArray<NoteSigner>) =>
  printNote(signNote(printPolicy(policy), signers))

describe("a change of policy", () => {
  it.effect("names the first approvers by the log alone, once; after that it needs their quorum", () =>
    Effect.gen(function*() {
      const { inForce, named, process, refused, submit, world } = yield* setUp
      assert.isTrue(yield* submit(draft(named)))
      assert.isFalse(yield* submit(draft(named)))
      const third: Policy = { ...named, version: 3, approvers: [dpo.key, ciso.key] }
      assert.include(yield* refused(draft(third)), "needs 2 approvers")
      assert.include(yield* refused(signed(third, dpo)), "needs 2 approvers")
      assert.include(yield* refused(signed(third, dpo, ciso)), "needs 2 approvers")
      assert.isTrue(yield* submit(signed(third, dpo, ceo)))
      const { policy, sha256 } = yield* inForce
      assert.deepStrictEqual(policy, third)
      const log = parseVerifierKey((yield* Effect.provide(Signer.use((one) => one.keys(origin)), process)).log)
      const note = parseNote(world.file(eventPath(sha256))!)
      assert.deepStrictEqual(verifyNote(note, [log, dpo.key, ceo.key]).verified, [log, dpo.key, ceo.key])
      assert.deepStrictEqual(world.rows.of(origin).map(({ entry }) => entry.kind), [
        "genesis",
        "policy",
        "policy",
        "policy"
      ])
    }))

  it.effect("that only lengthens needs nobody; one that shortens or touches more than the first approvers is refused", () =>
    Effect.gen(function*() {
      const { first, named, refused, submit } = yield* setUp
      const retention = (days: number) => [{ class: "default", days }]
      assert.include(yield* refused(draft({ ...named, retention: retention(394) })), "only the first approvers")
      assert.include(yield* refused(draft({ ...named, eraseQuorum: 0 })), "only the first approvers")
      assert.include(yield* refused(draft({ ...first, version: 2, anchorLag: 1 })), "only the first approvers")
      assert.isTrue(yield* submit(draft({ ...first, version: 2, retention: retention(400) })))
    }))

  it.effect("is refused with another origin, a wrong version, an unreachable quorum, a bad line or other bytes", () =>
    Effect.gen(function*() {
      const { first, named, refused, world } = yield* setUp
      assert.include(yield* refused(draft({ ...named, origin: `other.${origin}` })), "not of this ledger")
      assert.include(yield* refused(draft({ ...named, version: 3 })), "the next is 2")
      assert.include(yield* refused(draft({ ...first, retentionMinimum: 181 })), "the next is 2")
      assert.include(yield* refused(draft({ ...named, approvers: [dpo.key] })), "can never be the quorum")
      const forged = printNote({ ...signNote(printPolicy(first), [dpo]), text: printPolicy(named) })
      assert.include(yield* refused(forged), "is bad")
      assert.isString(yield* refused(bytesOf("rainlogs-policy/v1\n")))
      assert.lengthOf(world.rows.of(origin), 2)
    }))

  it.effect("of two at once, one comes into force", () =>
    Effect.gen(function*() {
      const { named, submit, world } = yield* setUp
      const both = [named, { ...named, approvers: [dpo.key, ciso.key] }].map((policy) =>
        Effect.exit(submit(draft(policy)))
      )
      const exits = yield* Effect.all(both, { concurrency: "unbounded" })
      assert.lengthOf(exits.filter((exit) => exit._tag === "Success"), 1)
      assert.lengthOf(world.rows.of(origin), 3)
    }))
})
