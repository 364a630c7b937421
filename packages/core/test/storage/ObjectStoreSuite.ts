/**
 * What every adapter of `ObjectStore` must do. Each adapter's test calls this with its layer.
 */
import { assert, describe, layer } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, type Layer, Stream } from "effect"
import { spawn } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { createInterface } from "node:readline"
import { ObjectStore } from "../../src/storage/ObjectStore.ts"
import { crashPrefix } from "./PutForever.ts"

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

const pieces = (bytes: Uint8Array, size: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))

const bodyOf = (bytes: Uint8Array) => ({
  size: bytes.length,
  sha256: sha256(bytes),
  bytes: Stream.fromIterable(pieces(bytes, 60_000))
})

const collect = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) =>
  Effect.map(Stream.runCollect(stream), (parts) => Buffer.concat(parts))

const keysBelow = (prefix: string) =>
  Effect.flatMap(ObjectStore, (store) => Stream.runCollect(Stream.map(store.list(prefix), ({ key }) => key)))

/** `crashWriter` is a script (and its arguments) that runs `putForever` on the same place as the layer. */
export interface SuiteOptions {
  readonly crashWriter: Effect.Effect<ReadonlyArray<string>>
}

/** Starts the writer, kills it with -9 after `ms`, and returns the keys it said were stored. */
const crash = (argv: ReadonlyArray<string>, ms: number) =>
  Effect.callback<ReadonlyArray<string>>((resume) => {
    const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] })
    const stored: Array<string> = []
    let timer: NodeJS.Timeout | undefined
    const lines = createInterface({ input: child.stdout })
    lines.on("line", (line) => {
      timer ??= setTimeout(() => child.kill("SIGKILL"), ms)
      if (line.startsWith("stored ")) stored.push(line.slice(7))
    })
    const both = Promise.all([
      new Promise((done) => child.on("exit", (_, signal) => done(signal))),
      new Promise((done) => lines.on("close", done))
    ])
    void both.then(([signal]) =>
      resume(signal === "SIGKILL" ? Effect.succeed(stored) : Effect.die(new Error("the writer ended by itself")))
    )
  })

/** What every object store must do, as tests of the layer `live`. */
export const objectStoreSuite = <E>(name: string, live: Layer.Layer<ObjectStore, E>, options: SuiteOptions): void => {
  describe(`${name} as ObjectStore`, () => {
    layer(live, { excludeTestServices: true })((it) => {
      it.effect("gives back what was put, whole and in ranges", () =>
        Effect.gen(function*() {
          const store = yield* ObjectStore
          const bytes = randomBytes(1_000_000)
          assert.strictEqual(yield* store.put("basic/one", bodyOf(bytes)), "created")
          assert.isTrue((yield* collect(store.get("basic/one"))).equals(bytes))
          assert.isTrue(bytes.equals(yield* store.getBytes("basic/one")))
          assert.deepStrictEqual(yield* store.head("basic/one"), { key: "basic/one", size: bytes.length })
          for (
            const [from, to] of [[0, 1], [0, 1_000_000], [999_999, 1_000_000], [262_143, 262_145], [
              5,
              700_000
            ]] as const
          ) {
            assert.isTrue((yield* collect(store.get("basic/one", { from, to }))).equals(bytes.subarray(from, to)))
          }
          // As in HTTP (RFC 9110 §14.1.2) a range may end after the object, but not begin there.
          assert.strictEqual((yield* collect(store.get("basic/one", { from: 999_990, to: 2_000_000 }))).length, 10)
          for (const [from, to] of [[1_000_000, 1_000_001], [-1, 5], [5, 5], [6, 5], [0.5, 5]] as const) {
            const error = yield* Effect.flip(collect(store.get("basic/one", { from, to })))
            assert.deepInclude({ ...error }, { _tag: "StorageError", category: "rejected" })
          }
        }))

      it.effect("stores an empty object", () =>
        Effect.gen(function*() {
          const store = yield* ObjectStore
          assert.strictEqual(yield* store.putBytes("basic/empty", new Uint8Array()), "created")
          assert.strictEqual((yield* collect(store.get("basic/empty"))).length, 0)
          assert.strictEqual((yield* store.head("basic/empty")).size, 0)
        }))

      it.effect("the same bytes again are fine, other bytes are refused and change nothing", () =>
        Effect.gen(function*() {
          const store = yield* ObjectStore
          const bytes = randomBytes(200_000)
          assert.strictEqual(yield* store.put("again/one", bodyOf(bytes)), "created")
          assert.strictEqual(yield* store.put("again/one", bodyOf(bytes)), "exists")
          assert.strictEqual(yield* store.putBytes("again/one", bytes), "exists")
          for (const other of [randomBytes(200_000), bytes.subarray(1), new Uint8Array()]) {
            const error = yield* Effect.flip(store.put("again/one", bodyOf(other)))
            assert.deepInclude({ ...error }, { _tag: "ObjectExists", key: "again/one" })
          }
          assert.isTrue((yield* collect(store.get("again/one"))).equals(bytes))
        }))

      it.effect("of many writers of one key with the same bytes exactly one creates", () =>
        Effect.gen(function*() {
          const store = yield* ObjectStore
          const bytes = randomBytes(300_000)
          const outcomes = yield* Effect.all(
            Array.from({ length: 16 }, () => store.put("race/same", bodyOf(bytes))),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(outcomes.filter((outcome) => outcome === "created").length, 1)
          assert.isTrue((yield* collect(store.get("race/same"))).equals(bytes))
        }))

      it.effect("of many writers of one key with different bytes exactly one wins", () =>
        Effect.gen(function*() {
          const store = yield* ObjectStore
          const bodies = Array.from({ length: 16 }, () => randomBytes(300_000))
          const exits = yield* Effect.all(
            bodies.map((bytes) => Effect.exit(store.put("race/different", bodyOf(bytes)))),
            { concurrency: "unbounded" }
          )
          const winners = bodies.filter((_, i) => Exit.isSuccess(exits[i]!))
          assert.strictEqual(winners.length, 1)
          for (const exit of exits) {
            if (Exit.isFailure(exit)) {
              assert.deepInclude({ ...Cause.squash(exit.cause) as object }, { _tag: "ObjectExists" })
            }
          }
          assert.isTrue((yield* collect(store.get("race/different"))).equals(winners[0]!))
        }))

      it.effect("a body that is not what was announced is refused as corrupt, and nothing is stored", () =>
        Effect.gen(function*() {
          const store = yield* ObjectStore
          const bytes = randomBytes(200_000)
          const wrong = [
            { ...bodyOf(bytes), sha256: "00".repeat(32) },
            { ...bodyOf(bytes), size: bytes.length - 1 },
            { ...bodyOf(bytes), size: bytes.length + 1 },
            { ...bodyOf(bytes), bytes: Stream.succeed(bytes.subarray(0, 100)) }
          ]
          for (const body of wrong) {
            const error = yield* Effect.flip(store.put("wrong/one", body))
            assert.deepInclude({ ...error }, { _tag: "StorageError", category: "corrupt", key: "wrong/one" })
          }
          assert.deepStrictEqual(yield* keysBelow("wrong/"), [])
          assert.strictEqual((yield* Effect.flip(store.head("wrong/one")))._tag, "ObjectMissing")
          assert.strictEqual(yield* store.put("wrong/one", bodyOf(bytes)), "created")
        }))

      it.effect("a body that fails in the middle fails the put with its own error, and nothing is stored", () =>
        Effect.gen(function*() {
          const store = yield* ObjectStore
          const bytes = randomBytes(200_000)
          const broken = Stream.concat(Stream.succeed(bytes.subarray(0, 100_000)), Stream.fail("connection lost"))
          const error = yield* Effect.flip(
            store.put("broken/one", { size: bytes.length, sha256: sha256(bytes), bytes: broken })
          )
          assert.strictEqual(error, "connection lost")
          assert.deepStrictEqual(yield* keysBelow("broken/"), [])
        }))

      it.effect("a put that is interrupted leaves nothing", () =>
        Effect.gen(function*() {
          const store = yield* ObjectStore
          const bytes = randomBytes(200_000)
          const begun = yield* Deferred.make<void>()
          const stuck = Stream.concat(
            Stream.succeed(bytes.subarray(0, 100_000)),
            Stream.fromEffect(Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
          )
          const fiber = yield* Effect.forkChild(
            store.put("stuck/one", { size: bytes.length, sha256: sha256(bytes), bytes: stuck })
          )
          yield* Deferred.await(begun)
          yield* Fiber.interrupt(fiber)
          assert.deepStrictEqual(yield* keysBelow("stuck/"), [])
          assert.strictEqual(yield* store.put("stuck/one", bodyOf(bytes)), "created")
        }))

      it.effect("a missing object is ObjectMissing, for every way to read it", () =>
        Effect.gen(function*() {
          const store = yield* ObjectStore
          for (const key of ["missing", "missing/deep/down", "basic/one/below"]) {
            const failures = [
              yield* Effect.flip(store.head(key)),
              yield* Effect.flip(store.getBytes(key)),
              yield* Effect.flip(collect(store.get(key))),
              yield* Effect.flip(collect(store.get(key, { from: 0, to: 1 })))
            ]
            assert.deepStrictEqual(failures.map(({ _tag }) => _tag), Array(4).fill("ObjectMissing"), key)
          }
        }))

      it.effect("keys that are no safe relative path are refused everywhere", () =>
        Effect.gen(function*() {
          const store = yield* ObjectStore
          const bad = [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "../a",
            "a/../b",
            "a/./b",
            "a b",
            "a\0b",
            "a\\b",
            "ä",
            "a\nb",
            "%2e%2e",
            ".incoming/x",
            ".incoming",
            "a".repeat(256),
            "a/".repeat(600) + "a"
          ]
          for (const key of bad) {
            const failures = [
              yield* Effect.flip(store.putBytes(key, Buffer.from("x"))),
              yield* Effect.flip(store.replace(key, Buffer.from("x"))),
              yield* Effect.flip(store.getBytes(key)),
              yield* Effect.flip(collect(store.get(key))),
              yield* Effect.flip(store.head(key)),
              yield* Effect.flip(store.remove(key))
            ]
            for (const error of failures) {
              assert.deepInclude({ ...error }, { _tag: "StorageError", category: "rejected" }, JSON.stringify(key))
            }
          }
          for (const prefix of ["/", "../", "a/../b", "a//b", "a b", ".."]) {
            const error = yield* Effect.flip(keysBelow(prefix))
            assert.deepInclude({ ...error }, { _tag: "StorageError", category: "rejected" }, prefix)
          }
        }))

      it.effect("lists by prefix in the order of the keys, with sizes", () =>
        Effect.gen(function*() {
          const store = yield* ObjectStore
          // A slash sorts between "-", "." and "0": plain directory order would be wrong here.
          const keys = [
            "list/a-b",
            "list/a.b",
            "list/a/x",
            "list/a/y/z",
            "list/a0",
            "list/a00/b",
            "list/B",
            "list/b/c-d",
            "list/b/c/d"
          ]
          for (const key of keys.toReversed()) yield* store.putBytes(key, Buffer.from(key))
          const expected = (prefix: string) => keys.filter((key) => key.startsWith(prefix)).sort()
          for (
            const prefix of [
              "list/",
              "list/a",
              "list/a/",
              "list/a0",
              "list/b/c",
              "list/b/c/",
              "list/B",
              "list/none",
              "list/a/y/z"
            ]
          ) {
            assert.deepStrictEqual(yield* keysBelow(prefix), expected(prefix), prefix)
          }
          const listed = yield* Stream.runCollect(store.list("list/"))
          assert.isTrue(listed.every(({ key, size }) => size === key.length))
          assert.includeMembers([...yield* keysBelow("")], keys)
          assert.deepStrictEqual(
            [...yield* Stream.runCollect(Stream.take(store.list("list/"), 2))].map(({ key }) => key),
            expected("list/").slice(0, 2)
          )
        }))

      it.effect("replaces a served checkpoint and nothing else", () =>
        Effect.gen(function*() {
          const store = yield* ObjectStore
          const ledger = `integrity/v1/${"ab".repeat(32)}`
          yield* store.replace(`${ledger}/checkpoint`, Buffer.from("one"))
          yield* store.replace(`${ledger}/checkpoint`, Buffer.from("two"))
          assert.strictEqual(Buffer.from(yield* store.getBytes(`${ledger}/checkpoint`)).toString(), "two")
          for (
            const key of [
              `${ledger}/checkpoint.d/00000000000000000001`,
              `${ledger}/x/checkpoint`,
              "checkpoint",
              "integrity/v1/xyz/checkpoint",
              "logs/checkpoint"
            ]
          ) {
            const error = yield* Effect.flip(store.replace(key, Buffer.from("x")))
            assert.strictEqual(error.category, "rejected", key)
          }
        }))

      it.effect("a reader of a checkpoint that is replaced sees an old or a new one, never a part", () =>
        Effect.gen(function*() {
          const store = yield* ObjectStore
          const key = `integrity/v1/${"cd".repeat(32)}/checkpoint`
          const version = (n: number) => Buffer.alloc(10_000 + n, n)
          yield* store.replace(key, version(0))
          const writer = yield* Effect.forkChild(
            Effect.forEach(Array.from({ length: 40 }, (_, i) => i + 1), (n) => store.replace(key, version(n)), {
              discard: true
            })
          )
          for (let i = 0; i < 40; i++) {
            const read = Buffer.from(yield* store.getBytes(key))
            assert.isTrue(read.equals(version(read.length - 10_000)))
          }
          yield* Fiber.join(writer)
        }))

      it.effect("removes; removing what is not there is fine", () =>
        Effect.gen(function*() {
          const store = yield* ObjectStore
          yield* store.putBytes("remove/one", Buffer.from("x"))
          yield* store.remove("remove/one")
          yield* store.remove("remove/one")
          yield* store.remove("remove/never/was")
          assert.deepStrictEqual(yield* keysBelow("remove/"), [])
          assert.strictEqual(yield* store.putBytes("remove/one", Buffer.from("y")), "created")
        }))

      it.effect("getBytes refuses what is too large to hold", () =>
        Effect.gen(function*() {
          const store = yield* ObjectStore
          const bytes = Buffer.alloc(16 * 1024 * 1024 + 1)
          yield* store.put("large/one", bodyOf(bytes))
          const error = yield* Effect.flip(store.getBytes("large/one"))
          assert.deepInclude({ ...error }, { _tag: "StorageError", category: "rejected" })
        }))

      it.effect(
        "after kill -9 in the middle of puts every listed object is whole and every confirmed one is there",
        () =>
          Effect.gen(function*() {
            const confirmed: Array<string> = []
            const writer = yield* options.crashWriter
            for (let round = 0; round < 8; round++) confirmed.push(...yield* crash(writer, 20 + round * 40))
            const store = yield* ObjectStore
            const listed = yield* Stream.runCollect(store.list(crashPrefix))
            for (const { key, size } of listed) {
              const bytes = yield* collect(store.get(key))
              assert.strictEqual(bytes.length, size)
              assert.strictEqual(sha256(bytes), key.slice(key.lastIndexOf("/") + 1))
            }
            assert.isAbove(confirmed.length, 8)
            assert.includeMembers(listed.map(({ key }) => key), confirmed)
          }),
        60_000
      )
    })
  })
}
