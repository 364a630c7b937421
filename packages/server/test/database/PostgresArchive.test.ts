import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Tar } from "effect/encoding"
import { spawnSync } from "node:child_process"
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { zstdCompressSync } from "node:zlib"
import * as PostgresArchive from "../../src/database/PostgresArchive.ts"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "rainlogs-archive-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
)

const pack = (entries: ReadonlyArray<Tar.Entry>) =>
  Stream.fromIterable(entries).pipe(
    Stream.pipeThroughChannel(Tar.encode()),
    Stream.runCollect,
    Effect.map((chunks) => zstdCompressSync(Buffer.concat([...chunks])))
  )

const moduleUrl = new URL("../../src/database/PostgresArchive.ts", import.meta.url).href

const content = "x".repeat(3_000_000)

const sample = pack([
  Tar.file("bin/postgres", content, { mode: 0o755 }),
  Tar.file("share/deep/er/file", "data", { mode: 0o640 }),
  Tar.symlink("lib/libpq.so.5", "libpq.so.5.18")
])

describe("PostgresArchive.unpack", () => {
  it.live("unpacks files, modes and links whatever the umask", () =>
    Effect.gen(function*() {
      const data = yield* directory
      const archive = join(data, "a.tar.zst")
      writeFileSync(archive, yield* sample)
      const script = `
        const { unpack } = await import(${JSON.stringify(moduleUrl)})
        const { Effect } = await import(${JSON.stringify(import.meta.resolve("effect"))})
        process.umask(0o077)
        console.log(await Effect.runPromise(unpack(${JSON.stringify(archive)}, ${JSON.stringify(data)})))`
      const file = join(data, "unpack.mjs")
      writeFileSync(file, script)
      const { stderr, stdout } = spawnSync(process.execPath, [file], { encoding: "utf8" })
      const folder = stdout.trim()
      assert.isTrue(folder.startsWith(data), stderr)
      assert.strictEqual(readFileSync(join(folder, "bin/postgres"), "utf8"), content)
      assert.strictEqual(statSync(join(folder, "bin/postgres")).mode & 0o777, 0o755)
      assert.strictEqual(statSync(join(folder, "share/deep/er/file")).mode & 0o777, 0o644)
      assert.strictEqual(statSync(join(folder, "share/deep")).mode & 0o777, 0o755)
      assert.strictEqual(readlinkSync(join(folder, "lib/libpq.so.5")), "libpq.so.5.18")
    }))

  it.live("unpacks once, anew for another archive, and removes older and unfinished folders alone", () =>
    Effect.gen(function*() {
      const data = yield* directory
      const archive = join(data, "a.tar.zst")
      writeFileSync(archive, yield* sample)
      mkdirSync(join(data, "postgres"))
      const first = yield* PostgresArchive.unpack(archive, data)
      const written = statSync(join(first, "bin/postgres")).ino
      assert.strictEqual(yield* PostgresArchive.unpack(archive, data), first)
      assert.strictEqual(statSync(join(first, "bin/postgres")).ino, written)
      mkdirSync(`${first}.partial-abcdef`)
      writeFileSync(archive, yield* pack([Tar.file("bin/postgres", "new", { mode: 0o755 })]))
      const second = yield* PostgresArchive.unpack(archive, data)
      assert.notStrictEqual(second, first)
      assert.deepStrictEqual(
        readdirSync(data).toSorted(),
        ["a.tar.zst", "postgres", second.slice(data.length + 1)].toSorted()
      )
    }))

  it.live("leaves no folder with the final name when the archive is damaged", () =>
    Effect.gen(function*() {
      const data = yield* directory
      const archive = join(data, "a.tar.zst")
      const bytes = yield* sample
      for (const damaged of [bytes.subarray(0, bytes.length - 20), Buffer.from("not an archive")]) {
        writeFileSync(archive, damaged)
        const error = yield* Effect.flip(PostgresArchive.unpack(archive, data))
        assert.strictEqual(error._tag, "PostgresStartFailed")
        assert.isFalse(readdirSync(data).some((name) => /^postgres-[0-9a-f]{16}$/.test(name)))
      }
    }))

  it.live("refuses an archive that names files outside of it", () =>
    Effect.gen(function*() {
      const data = yield* directory
      const archive = join(data, "a.tar.zst")
      writeFileSync(archive, yield* pack([Tar.file("../escaped", "x")]))
      const error = yield* Effect.flip(PostgresArchive.unpack(archive, data))
      assert.include(error.message, "outside of it")
      assert.notInclude(readdirSync(data), "escaped")
    }))
})
