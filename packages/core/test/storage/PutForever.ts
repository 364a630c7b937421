/** Puts objects until the process is killed, and says on standard output which are stored: the victim of the crash test. */
import { Effect, Stream } from "effect"
import { createHash, randomBytes } from "node:crypto"
import { writeSync } from "node:fs"
import { ObjectStore } from "../../src/storage/ObjectStore.ts"

/** The beginning of all keys that are put. */
export const crashPrefix = "crash/"

const putOne = Effect.gen(function*() {
  const store = yield* ObjectStore
  const bytes = randomBytes(Math.floor(Math.random() ** 2 * 4_000_000))
  const sha256 = createHash("sha256").update(bytes).digest("hex")
  const key = `${crashPrefix}${sha256.slice(0, 2)}/${sha256}`
  const pieces = Array.from(
    { length: Math.ceil(bytes.length / 50_000) },
    (_, i) => bytes.subarray(i * 50_000, (i + 1) * 50_000)
  )
  // Yields between pieces, so that a kill falls between any two writes.
  const stream = Stream.tap(Stream.fromIterable(pieces), () => Effect.yieldNow)
  yield* store.put(key, { size: bytes.length, sha256, bytes: stream })
  yield* Effect.sync(() => writeSync(1, `stored ${key}\n`))
})

/** Puts object after object until it is killed. */
export const putForever: Effect.Effect<never, unknown, ObjectStore> = Effect.forever(
  Effect.all([putOne, putOne, putOne], { concurrency: "unbounded", discard: true })
)
