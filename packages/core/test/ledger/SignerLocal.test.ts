import { assert, describe, it } from "@effect/vitest"
import * as Base64 from "@rainlogs/verify/Base64"
import { parseNote, verifyNote } from "@rainlogs/verify/Note"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as fs from "node:fs"
import { join } from "node:path"
import { makeOrigin } from "../../src/domain/Customer.ts"
import { CustomerId } from "../../src/domain/Identifier.ts"
import { SignerUnavailable } from "../../src/ledger/Signer.ts"
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
