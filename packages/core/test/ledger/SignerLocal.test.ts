import { assert, describe, it } from "@effect/vitest"
import * as Base64 from "@rainlogs/verify/Base64"
import { parseNote, verifyNote } from "@rainlogs/verify/Note"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Effect, Exit, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as fs from "node:fs"
import { join } from "node:path"
import { makeOrigin } from "../../src/domain/Customer.ts"
import { CustomerId } from "../../src/domain/Identifier.ts"
import { SignerRefused, SignerUnavailable } from "../../src/ledger/Signer.ts"
import * as SignerLocal from "../../src/ledger/SignerLocal.ts"
import { ledger } from "./MemoryLedger.ts"
import { directory, fileOf, proof, root, signerSuite } from "./SignerSuite.ts"

const { origin } = ledger
const other = makeOrigin("archive.example.eu", CustomerId.make("00000000-0000-4000-8000-000000000001"))
const signerIn = (path: string, options: Partial<SignerLocal.SignerLocalOptions> = {}) =>
  SignerLocal.make({ directory: path, ...options })
const flipByte = (path: string, at: number) => {
  const bytes = fs.readFileSync(path)
  bytes[at]! ^= 1
  fs.writeFileSync(path, bytes)
}

signerSuite("a local signer", (path) => signerIn(path))

describe("its clock", () => {
  it.effect("never states an earlier time than before, also after a restart", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const timeOf = (served: Uint8Array, vkey: string) =>
        [...verifyNote(parseNote(served), [parseVerifierKey(vkey)]).timestamps.values()][0]
      yield* TestClock.setTime(5_000_900)
      const clock = yield* Effect.scoped(Effect.gen(function*() {
        const signer = yield* signerIn(path)
        const { clock } = yield* signer.keys(origin)
        const { served } = yield* signer.sign({ origin, size: 2, root: root(2), proof: [] })
        assert.strictEqual(timeOf(served, clock), 5_000)
        return clock
      }))
      yield* TestClock.setTime(3_000_000)
      const signer = yield* signerIn(path)
      const { served } = yield* signer.sign({ origin, size: 2, root: root(2), proof: [] })
      assert.strictEqual(timeOf(served, clock), 5_000)
      yield* TestClock.setTime(6_000_000)
      assert.strictEqual(
        timeOf((yield* signer.sign({ origin, size: 2, root: root(2), proof: [] })).served, clock),
        6_000
      )
    }))
})

describe("its directory", () => {
  it.effect("keeps keys and state over a restart, apart for each origin", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const first = yield* Effect.scoped(Effect.gen(function*() {
        const signer = yield* signerIn(path)
        yield* signer.sign({ origin, size: 3, root: root(3), proof: [] })
        return { keys: yield* signer.keys(origin), others: yield* signer.keys(other) }
      }))
      assert.notStrictEqual(first.keys.log.split("+")[2], first.others.log.split("+")[2])
      const signer = yield* signerIn(path)
      assert.deepStrictEqual(yield* signer.keys(origin), first.keys)
      assert.strictEqual((yield* signer.state(origin)).size, 3)
      assert.strictEqual((yield* signer.state(other)).size, 0)
    }))

  it.effect("writes files for its owner only, and no seed in the clear", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const seeds = { log: new Uint8Array(32).fill(7), clock: new Uint8Array(32).fill(9) }
      const signer = yield* signerIn(path, { newSeeds: () => Redacted.make(seeds) })
      yield* signer.sign({ origin, size: 3, root: root(3), proof: [] })
      const names = fs.readdirSync(path)
      assert.lengthOf(names, 4)
      for (const name of names) {
        assert.strictEqual(fs.statSync(join(path, name)).mode & 0o777, 0o600, name)
        const bytes = fs.readFileSync(join(path, name))
        for (const seed of [seeds.log, seeds.clock]) {
          assert.isFalse(bytes.includes(seed), name)
          assert.isFalse(bytes.includes(Base64.encode(seed)), name)
        }
      }
    }))

  it.effect("a damaged or missing state is unavailable, never a start from 0", () =>
    Effect.gen(function*() {
      const path = yield* directory
      yield* Effect.scoped(Effect.gen(function*() {
        const signer = yield* signerIn(path)
        yield* signer.sign({ origin, size: 3, root: root(3), proof: [] })
      }))
      const state = fileOf(path, ".state")
      const whole = fs.readFileSync(state)
      const signer = yield* signerIn(path)
      const attempt = Effect.flip(signer.sign({ origin, size: 9, root: root(9), proof: [] }))
      for (let at = 0; at < whole.length; at++) {
        flipByte(state, at)
        assert.instanceOf(yield* attempt, SignerUnavailable, `byte ${at}`)
        fs.writeFileSync(state, whole)
      }
      for (const length of [0, 1, whole.length - 1]) {
        fs.writeFileSync(state, whole.subarray(0, length))
        assert.instanceOf(yield* attempt, SignerUnavailable, `${length} bytes`)
      }
      fs.rmSync(state)
      assert.instanceOf(yield* attempt, SignerUnavailable)
      fs.writeFileSync(state, whole)
      yield* signer.sign({ origin, size: 9, root: root(9), proof: yield* proof(3, 9) })
    }))

  it.effect("damaged, foreign or missing keys are unavailable, never made anew", () =>
    Effect.gen(function*() {
      const path = yield* directory
      yield* Effect.scoped(Effect.gen(function*() {
        const signer = yield* signerIn(path)
        yield* signer.sign({ origin, size: 3, root: root(3), proof: [] })
        yield* signer.keys(other)
      }))
      const id = fs.readdirSync(path).find((name) =>
        name.endsWith(".state") && fs.readFileSync(join(path, name), "utf8").includes("size 3")
      )!
      const keys = join(path, id.replace(".state", ".keys"))
      const whole = fs.readFileSync(keys)
      const keysOf = Effect.flip(Effect.scoped(Effect.flatMap(signerIn(path), (signer) => signer.keys(origin))))
      for (let at = 0; at < whole.length; at += 3) {
        flipByte(keys, at)
        assert.instanceOf(yield* keysOf, SignerUnavailable, `byte ${at}`)
        fs.writeFileSync(keys, whole)
      }
      const others = fs.readdirSync(path).find((name) => name.endsWith(".keys") && join(path, name) !== keys)!
      fs.copyFileSync(join(path, others), keys)
      assert.include((yield* keysOf).detail, "belongs to")
      fs.rmSync(keys)
      assert.include((yield* keysOf).detail, "the keys are missing but size 3 was signed")
      fs.writeFileSync(keys, whole)
      fs.rmSync(join(path, "wrapping.key"))
      assert.include((yield* keysOf).detail, "restore it from a backup")
      const wrong = Redacted.make(new Uint8Array(32).fill(1))
      const error = yield* Effect.flip(
        Effect.scoped(Effect.flatMap(signerIn(path, { wrappingKey: wrong }), (signer) => signer.keys(origin)))
      )
      assert.include(error.detail, "another wrapping key")
    }))

  it.effect("keys of a first use that broke off before the keys were written are made again", () =>
    Effect.gen(function*() {
      const path = yield* directory
      yield* Effect.scoped(Effect.flatMap(signerIn(path), (signer) => signer.keys(origin)))
      fs.rmSync(fileOf(path, ".keys"))
      const signer = yield* signerIn(path)
      assert.include((yield* signer.keys(origin)).log, origin)
    }))

  it.effect("no wrapping key but 32 bytes is taken", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const error = yield* Effect.flip(
        Effect.scoped(signerIn(path, { wrappingKey: Redacted.make(new Uint8Array(16)) }))
      )
      assert.include(error.detail, "32 bytes")
    }))
})

describe("a change of its keys", () => {
  const request = { origin, version: 2, revoked: [] }
  const signedBy = (bytes: Uint8Array, ...keys: ReadonlyArray<string>) =>
    keys.filter((vkey) => verifyNote(parseNote(bytes), [parseVerifierKey(vkey)]).verified.length > 0)

  it.effect("prepares once, over restarts, and goes on signing with the keys in use", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const first = yield* Effect.scoped(Effect.gen(function*() {
        const signer = yield* signerIn(path)
        const { log } = yield* signer.keys(origin)
        assert.isTrue(Option.isNone(yield* signer.preparedKeys(origin)))
        const prepared = yield* signer.prepareKeys(request)
        assert.deepStrictEqual(signedBy(prepared.document, log, prepared.log), [log, prepared.log])
        assert.strictEqual((yield* signer.keys(origin)).log, log)
        const { immutable } = yield* signer.sign({ origin, size: 3, root: root(3), proof: [], log })
        assert.deepStrictEqual(signedBy(immutable, log, prepared.log), [log])
        assert.deepStrictEqual((yield* signer.sealedKeys(origin)).map((sealed) => sealed.log), [log, prepared.log])
        return { log, prepared }
      }))
      const signer = yield* signerIn(path)
      assert.deepStrictEqual(yield* signer.prepareKeys(request), first.prepared)
      assert.deepStrictEqual(
        yield* signer.prepareKeys({ ...request, revoked: [{ id: 1, since: 0, reason: "lost" }] }),
        first.prepared
      )
      // Its version was taken by another change: the same keys, another document.
      const later = yield* signer.prepareKeys({ ...request, version: 3 })
      assert.deepStrictEqual([later.log, later.clock], [first.prepared.log, first.prepared.clock])
      assert.include(new TextDecoder().decode(later.document), "\nversion 3\n")
    }))

  it.effect("the prepared key is in use with the first checkpoint that asks for it, and the one before is gone", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const signer = yield* signerIn(path)
      const { log } = yield* signer.keys(origin)
      yield* signer.sign({ origin, size: 3, root: root(3), proof: [], log })
      const prepared = yield* signer.prepareKeys(request)
      const old = fs.readFileSync(fileOf(path, ".keys"))
      const grown = { origin, size: 7, root: root(7), proof: yield* proof(3, 7) }
      // Refused by the state: nothing changes hands.
      assert.instanceOf(yield* Effect.flip(signer.sign({ ...grown, proof: [], log: prepared.log })), SignerRefused)
      assert.deepStrictEqual(fs.readFileSync(fileOf(path, ".keys")), old)
      assert.deepStrictEqual(signedBy(yield* signer.signDocument(origin, "a\n"), log, prepared.log), [log])
      yield* signer.adoptKeys(origin)
      assert.deepStrictEqual(signedBy(yield* signer.signDocument(origin, "a\n"), log, prepared.log), [prepared.log])
      const { immutable, served } = yield* signer.sign({ ...grown, log: prepared.log })
      assert.deepStrictEqual(signedBy(immutable, log, prepared.log), [prepared.log])
      assert.deepStrictEqual(signedBy(served, prepared.clock), [prepared.clock])
      for (const asked of [log, parseable]) {
        const refused = yield* Effect.flip(signer.sign({ ...grown, proof: [], log: asked }))
        assert.instanceOf(refused, SignerRefused)
        assert.match(refused.detail, /neither in use nor prepared/)
      }
      assert.isUndefined(fs.readdirSync(path).find((name) => name.endsWith(".next")))
      assert.notDeepEqual(fs.readFileSync(fileOf(path, ".keys")), old)
      assert.isTrue(Option.isNone(yield* signer.preparedKeys(origin)))
      assert.deepStrictEqual(signedBy(yield* signer.signDocument(origin, "a\n"), log, prepared.log), [prepared.log])
    }))

  it.effect("killed between its steps it goes on; a damaged file of prepared keys is unavailable", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const next = `${yield* Effect.scoped(Effect.gen(function*() {
        const signer = yield* signerIn(path)
        yield* signer.prepareKeys(request)
        return fileOf(path, ".next")
      }))}`
      const bytes = fs.readFileSync(next)
      const prepared = yield* Effect.scoped(Effect.gen(function*() {
        const signer = yield* signerIn(path)
        const prepared = yield* signer.prepareKeys(request)
        yield* signer.sign({ origin, size: 3, root: root(3), proof: [], log: prepared.log })
        return prepared
      }))
      // In use already, and the file that says they are prepared still there.
      fs.writeFileSync(next, bytes)
      yield* Effect.scoped(Effect.gen(function*() {
        const signer = yield* signerIn(path)
        assert.strictEqual((yield* signer.keys(origin)).log, prepared.log)
        assert.isTrue(Option.isNone(yield* signer.preparedKeys(origin)))
        assert.isFalse(fs.existsSync(next))
      }))
      for (const at of [3, 60, bytes.length - 100]) {
        fs.writeFileSync(next, bytes)
        flipByte(next, at)
        const signer = yield* Effect.exit(
          Effect.scoped(Effect.flatMap(signerIn(path), (signer) => signer.keys(origin)))
        )
        assert.isTrue(Exit.isFailure(signer), String(at))
      }
    }))
})

const parseable = `${origin}+00000000+AQ==`
