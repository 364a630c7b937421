import { assert, it } from "@effect/vitest"
import { signCheckpoint } from "@rainlogs/verify/Checkpoint"
import * as Hex from "@rainlogs/verify/Hex"
import { Effect } from "effect"
import type { StampRequest } from "../../src/anchor/Anchor.ts"
import * as WitnessAnchor from "../../src/anchor/WitnessAnchor.ts"
import { keysOf } from "../../src/ledger/SignerKeyFile.ts"
import golden from "../vectors/ledger.json" with { type: "json" }
import { request } from "./AnchorServers.ts"
import { cosigned, witnessKey } from "./FakeAnchor.ts"

const seconds = 1_795_705_200
const seeds = { log: Hex.decode(golden.keys.log.testSeedHex), clock: Hex.decode(golden.keys.clock.testSeedHex) }
const now = (asked: StampRequest) => cosigned(asked, seconds)

const anchorThat = (answer: (request: StampRequest) => Uint8Array) =>
  WitnessAnchor.make({
    id: "witness",
    key: witnessKey,
    stampsPerMinute: 60,
    cosign: (asked) => Effect.sync(() => answer(asked))
  })

const categoryOf = (answer: (request: StampRequest) => Uint8Array) =>
  Effect.map(Effect.flip(anchorThat(answer).stamp(request(3))), ({ category }) => category)

it.effect("keeps the signature lines, and their time is the receipt's", () =>
  Effect.gen(function*() {
    const anchor = anchorThat(now)
    const receipt = yield* anchor.stamp(request(3))
    assert.match(new TextDecoder().decode(receipt.bytes), /^— witness\.example\/clock [A-Za-z0-9+/]+=*\n$/)
    assert.strictEqual(receipt.time, seconds * 1000)
    assert.deepStrictEqual(yield* anchor.check(receipt.bytes, request(3)), { time: seconds * 1000, expires: null })
  }))

it.effect("a cosignature of another checkpoint, by another key, or with a flipped bit is not trusted", () =>
  Effect.gen(function*() {
    assert.strictEqual(yield* categoryOf(() => now(request(4))), "untrusted")
    assert.strictEqual(yield* categoryOf(() => now(request(3, "other"))), "untrusted")
    const { immutable, served } = signCheckpoint({
      checkpoint: request(3),
      log: keysOf(request(3).origin, seeds).log,
      clock: { ...keysOf(request(3).origin, seeds).clock, timestamp: seconds }
    })
    assert.strictEqual(yield* categoryOf(() => served.slice(immutable.length)), "untrusted")
    const flipped = now(request(3))
    flipped[flipped.length - 40]! ^= 1
    assert.notStrictEqual(yield* categoryOf(() => flipped), "transient")
  }))

it.effect("what is not signature lines is rejected: nothing, garbage, a text before them", () =>
  Effect.gen(function*() {
    const text = new TextEncoder()
    for (const answer of ["", "\n", "ok\n", "extra\n\n", "— witness.example AAAA"]) {
      assert.strictEqual(yield* categoryOf(() => text.encode(answer)), "rejected", JSON.stringify(answer))
    }
    const smuggled = (asked: StampRequest) => new Uint8Array([...text.encode("more\n\n"), ...now(asked)])
    assert.strictEqual(yield* categoryOf(smuggled), "rejected")
  }))
