import { assert, it } from "@effect/vitest"
import { sha256 } from "@rainlogs/verify/Hash"
import * as Hex from "@rainlogs/verify/Hex"
import { checkpointArchiveKey } from "@rainlogs/verify/Layout"
import { Effect } from "effect"
import * as BucketAnchor from "../../src/anchor/BucketAnchor.ts"
import { ObjectStore, StorageError } from "../../src/storage/ObjectStore.ts"
import * as ObjectStoreFileSystem from "../../src/storage/ObjectStoreFileSystem.ts"
import { memoryObjects } from "../ledger/MemoryObjects.ts"
import { temporaryDirectory } from "../storage/TemporaryDirectory.ts"
import { request } from "./AnchorServers.ts"

const anchorOn = Effect.gen(function*() {
  const directory = yield* temporaryDirectory
  const store = yield* ObjectStoreFileSystem.make(directory)
  return { directory, store, anchor: BucketAnchor.make({ id: "second", store, stampsPerMinute: 60 }) }
})

it.live("copies the checkpoint under its key in the archive; again is the same", () =>
  Effect.gen(function*() {
    const { anchor, store } = yield* anchorOn
    const stamped = request(3)
    const key = checkpointArchiveKey(stamped.origin, 3)
    const receipt = yield* anchor.stamp(stamped)
    yield* anchor.stamp(stamped)
    assert.deepStrictEqual(yield* store.getBytes(key), stamped.checkpoint)
    assert.strictEqual(
      new TextDecoder().decode(receipt.bytes),
      `{"anchor":"second","checkpoint":"${Hex.encode(sha256(stamped.checkpoint))}","key":"${key}","size":3,` +
        `"time":${receipt.time},"type":"bucket"}`
    )
    assert.deepStrictEqual(yield* anchor.check(receipt.bytes, stamped), { time: receipt.time, expires: null })
  }))

it.live("another checkpoint of the same size is an equivocation, and the first stays", () =>
  Effect.gen(function*() {
    const { anchor, store } = yield* anchorOn
    const [first, second] = [request(3), request(3, "rewritten")]
    yield* anchor.stamp(first)
    const error = yield* Effect.flip(anchor.stamp(second))
    assert.strictEqual(error.category, "equivocation")
    assert.deepStrictEqual(yield* store.getBytes(checkpointArchiveKey(first.origin, 3)), first.checkpoint)
  }))

it.effect("what fails in the store is told by its category", () =>
  Effect.gen(function*() {
    const categories = [["throttled", "throttled"], ["unauthorised", "unauthorised"], ["full", "rejected"], [
      "transient",
      "transient"
    ]] as const
    for (const [stored, expected] of categories) {
      const store = ObjectStore.of({
        ...memoryObjects(new Map(), (_, call) => call),
        putBytes: (key) => Effect.fail(new StorageError({ operation: "putBytes", key, category: stored, detail: "no" }))
      })
      const error = yield* Effect.flip(
        BucketAnchor.make({ id: "second", store, stampsPerMinute: 60 }).stamp(request(3))
      )
      assert.strictEqual(error.category, expected)
    }
  }))
