import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { ObjectStore } from "../../src/storage/ObjectStore.ts"
import * as ObjectStoreFileSystem from "../../src/storage/ObjectStoreFileSystem.ts"
import { objectStoreSuite } from "./ObjectStoreSuite.ts"
import { temporaryDirectory } from "./TemporaryDirectory.ts"

const shared = fs.mkdtempSync(join(fs.realpathSync(process.env["TMPDIR"] ?? "/tmp"), "rainlogs-suite-"))
const removeShared = Layer.effectDiscard(
  Effect.addFinalizer(() => Effect.sync(() => fs.rmSync(shared, { recursive: true, force: true })))
)

objectStoreSuite(
  "the file system",
  ObjectStoreFileSystem.layer(join(shared, "archive")).pipe(Layer.provideMerge(removeShared)),
  {
    crashWriter: Effect.succeed([join(import.meta.dirname, "FileSystemWriter.ts"), join(shared, "archive")])
  }
)

const withStore = <A, E, R>(directory: string, effect: Effect.Effect<A, E, R>) =>
  Effect.provide(effect, ObjectStoreFileSystem.layer(directory))

const storeAt = (directory: string) => withStore(directory, Effect.flatMap(ObjectStore, Effect.succeed))

const files = (directory: string): Array<string> =>
  fs.readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1)).sort()

describe("ObjectStoreFileSystem", () => {
  it.effect("files are read-only and nothing is left in .incoming", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const store = yield* storeAt(directory)
      yield* store.putBytes("logs/a/b.ndjson.zst", Buffer.from("x"))
      yield* store.replace(`integrity/v1/${"ab".repeat(32)}/checkpoint`, Buffer.from("y"))
      assert.strictEqual(fs.statSync(join(directory, "logs/a/b.ndjson.zst")).mode & 0o777, 0o440)
      assert.strictEqual(fs.statSync(join(directory, "logs/a/b.ndjson.zst")).nlink, 1)
      assert.strictEqual(fs.statSync(join(directory, ".incoming")).mode & 0o777, 0o700)
      assert.deepStrictEqual(files(directory), [`integrity/v1/${"ab".repeat(32)}/checkpoint`, "logs/a/b.ndjson.zst"])
    }))

  it.effect("a refused put leaves no file at all", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const store = yield* storeAt(directory)
      yield* Effect.flip(
        store.put("a/b", { size: 3, sha256: "00".repeat(32), bytes: Stream.succeed(Buffer.from("abc")) })
      )
      assert.deepStrictEqual(files(directory), [])
    }))

  it.effect("symbolic links are not followed, neither as object nor on the way, and are not listed", () =>
    Effect.gen(function*() {
      const outside = yield* temporaryDirectory
      const directory = yield* temporaryDirectory
      fs.writeFileSync(join(outside, "secret"), "secret")
      const store = yield* storeAt(directory)
      yield* store.putBytes("real/one", Buffer.from("x"))
      fs.symlinkSync(outside, join(directory, "link"))
      fs.symlinkSync(join(outside, "secret"), join(directory, "real/file-link"))
      fs.symlinkSync(outside, join(directory, "real/dir-link"))
      for (const key of ["link/secret", "real/file-link", "real/dir-link/secret"]) {
        const failures = [
          yield* Effect.flip(store.getBytes(key)),
          yield* Effect.flip(Stream.runDrain(store.get(key))),
          yield* Effect.flip(store.head(key)),
          yield* Effect.flip(store.putBytes(key, Buffer.from("y")))
        ]
        for (const error of failures) {
          assert.deepInclude({ ...error }, { _tag: "StorageError", category: "rejected" }, key)
        }
      }
      assert.strictEqual((yield* Effect.flip(store.putBytes("link/new/deep", Buffer.from("y"))))._tag, "StorageError")
      assert.strictEqual((yield* Effect.flip(store.remove("link/secret"))).category, "rejected")
      assert.strictEqual((yield* Effect.flip(Stream.runCollect(store.list("link/")))).category, "rejected")
      const listed = yield* Stream.runCollect(Stream.map(store.list(""), ({ key }) => key))
      assert.deepStrictEqual([...listed], ["real/one"])
      assert.deepStrictEqual(files(outside), ["secret"])
      assert.strictEqual(fs.readFileSync(join(outside, "secret"), "utf8"), "secret")
    }))

  it.effect("a key cannot be object and directory at once", () =>
    Effect.gen(function*() {
      const store = yield* storeAt(yield* temporaryDirectory)
      yield* store.putBytes("a/b", Buffer.from("x"))
      assert.deepInclude({ ...yield* Effect.flip(store.putBytes("a", Buffer.from("x"))) }, { category: "rejected" })
      assert.deepInclude({ ...yield* Effect.flip(store.putBytes("a/b/c", Buffer.from("x"))) }, { category: "rejected" })
    }))

  it.effect("a start sweeps what a dead process left and nothing else", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const incoming = join(directory, ".incoming")
      const store = yield* storeAt(directory)
      const dead = yield* Effect.promise(() => promisify(execFile)(process.execPath, ["-p", "process.pid"]))
      const random = "ab".repeat(12)
      const stale = [
        `${dead.stdout.trim()}-${"cd".repeat(6)}-${random}.tmp`,
        `${process.pid}-${"cd".repeat(6)}-${random}.tmp`
      ]
      const kept = [`1-${"cd".repeat(6)}-${random}.tmp`, "note.txt"]
      for (const name of [...stale, ...kept]) fs.writeFileSync(join(incoming, name), "x")
      yield* storeAt(directory)
      assert.deepStrictEqual(fs.readdirSync(incoming).sort(), kept.sort())
      assert.deepStrictEqual([...yield* Stream.runCollect(store.list(""))], [])
    }))

  it.effect("a start does not sweep what another store of this process is writing", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const store = yield* storeAt(directory)
      const bytes = Buffer.alloc(100_000, 1)
      const restart = Stream.fromEffect(Effect.as(storeAt(directory), bytes.subarray(50_000)))
      const body = Stream.concat(Stream.succeed(bytes.subarray(0, 50_000)), restart)
      const sha256 = createHash("sha256").update(bytes).digest("hex")
      assert.strictEqual(yield* store.put("a", { size: bytes.length, sha256, bytes: body }), "created")
    }))

  it.effect("two stores on one directory race as one", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const stores = yield* Effect.all([storeAt(directory), storeAt(directory)])
      for (let i = 0; i < 50; i++) {
        const outcomes = yield* Effect.forEach(stores, (store) => store.putBytes(`a/${i}/b`, Buffer.from("same")), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(outcomes.sort(), ["created", "exists"])
      }
    }))

  it.effect("a changed byte on disk is given as it is: who reads with a hash sees it", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const store = yield* storeAt(directory)
      yield* store.putBytes("a", Buffer.from("hello"))
      fs.chmodSync(join(directory, "a"), 0o600)
      fs.writeFileSync(join(directory, "a"), "hellp")
      assert.strictEqual(Buffer.from(yield* store.getBytes("a")).toString(), "hellp")
      // The right bytes are not silently taken for stored.
      assert.strictEqual((yield* Effect.flip(store.putBytes("a", Buffer.from("hello"))))._tag, "ObjectExists")
    }))

  // A limit on the size of files works for every user, where filling a disk needs a mount.
  it.effect("a full disk is `full`, leaves no file behind, and the store goes on", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const script = join(import.meta.dirname, "FullDiskWriter.ts")
      const { stdout } = yield* Effect.promise(() =>
        promisify(execFile)("/bin/sh", [
          "-c",
          "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\"",
          process.execPath,
          script,
          directory
        ])
      )
      assert.deepStrictEqual(JSON.parse(stdout), {
        small: "created",
        after: "created",
        large: { tag: "StorageError", category: "full" },
        keys: ["after", "small"]
      })
      assert.deepStrictEqual(files(directory), ["after", "small"])
    }), 20_000)
})
