/**
 * Child process of the full-disk test, run under a file size limit: stores a small object, then one over the limit, and
 * prints as JSON what came of it.
 */
import { Effect, Stream } from "effect"
import { createHash } from "node:crypto"
import { ObjectStore } from "../../src/storage/ObjectStore.ts"
import * as ObjectStoreFileSystem from "../../src/storage/ObjectStoreFileSystem.ts"

const put = (key: string, size: number) =>
  Effect.gen(function*() {
    const store = yield* ObjectStore
    const bytes = Buffer.alloc(size, key)
    const sha256 = createHash("sha256").update(bytes).digest("hex")
    const pieces = Array.from({ length: Math.ceil(size / 100_000) }, (_, i) =>
      bytes.subarray(i * 100_000, (i + 1) * 100_000))
    return yield* store.put(key, { size, sha256, bytes: Stream.fromIterable(pieces) })
  })

const program = Effect.gen(function*() {
  const store = yield* ObjectStore
  const small = yield* put("small", 1000)
  const large = yield* Effect.flip(put("large", 8_000_000))
  const after = yield* put("after", 1000)
  const keys = yield* Stream.runCollect(Stream.map(store.list(""), ({ key }) => key))
  return { small, after, large: { tag: large._tag, category: "category" in large ? large.category : null }, keys }
})

console.log(JSON.stringify(
  await Effect.runPromise(Effect.provide(program, ObjectStoreFileSystem.layer(process.argv[2]!)))
))
