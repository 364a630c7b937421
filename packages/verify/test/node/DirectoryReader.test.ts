import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { type ArchiveReader, FileTooLargeError } from "../../src/ArchiveReader.ts"
import { sha256 } from "../../src/Hash.ts"
import * as Hex from "../../src/Hex.ts"
import { ArchiveNotFoundError, openDirectory, UnsafePathError } from "../../src/node/DirectoryReader.ts"

let base = ""
let root = ""
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "rainlogs-reader-"))
  root = join(base, "archive")
  mkdirSync(join(root, "logs/zone"), { recursive: true })
  writeFileSync(join(root, "logs/zone/a"), "abc")
  writeFileSync(join(root, "logs/zone/b"), new Uint8Array(3 * 1024 * 1024 + 7).fill(5))
  writeFileSync(join(base, "secret"), "outside")
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

const rejection = (run: Promise<unknown>): Promise<unknown> =>
  run.then((value) => assert.fail(`resolved to ${String(value)}`), (error: unknown) => error)
const list = async (reader: ArchiveReader, prefix: string) => {
  const keys: Array<string> = []
  for await (const { key } of reader.list(prefix)) keys.push(key)
  return keys.sort()
}

describe("DirectoryReader", () => {
  it("lists by prefix, reads and hashes", async () => {
    const reader = await openDirectory(root)
    assert.deepStrictEqual(await list(reader, ""), ["logs/zone/a", "logs/zone/b"])
    assert.deepStrictEqual(await list(reader, "logs/zone/a"), ["logs/zone/a"])
    assert.deepStrictEqual(await list(reader, "logs/zo"), ["logs/zone/a", "logs/zone/b"])
    assert.deepStrictEqual(await list(reader, "integrity/v1/"), [])
    assert.deepStrictEqual(await reader.read("logs/zone/a"), new TextEncoder().encode("abc"))
    let counted = 0
    const onBytes = (bytes: number) => {
      counted += bytes
    }
    const digest = await reader.hash("logs/zone/b", { onBytes })
    const size = 3 * 1024 * 1024 + 7
    assert.deepStrictEqual(digest, { size, sha256: Hex.encode(sha256(new Uint8Array(size).fill(5))) })
    assert.strictEqual(counted, size)
  })

  it("answers null for what is not there", async () => {
    const reader = await openDirectory(root)
    for (const key of ["logs/zone/c", "nothing", "logs/zone/a/below"]) {
      assert.isNull(await reader.read(key))
      assert.isNull(await reader.hash(key))
    }
  })

  it("never leaves the directory", async () => {
    const reader = await openDirectory(root)
    for (
      const key of ["../secret", "logs/../../secret", "/etc/hostname", "logs//zone/a", "", "./logs/zone/a", "logs\\a"]
    ) {
      assert.instanceOf(await rejection(reader.read(key)), UnsafePathError, key)
      assert.instanceOf(await rejection(reader.hash(key)), UnsafePathError, key)
    }
    symlinkSync(join(base, "secret"), join(root, "logs/zone/link"))
    assert.instanceOf(await rejection(reader.read("logs/zone/link")), UnsafePathError)
    assert.instanceOf(await rejection(list(reader, "logs/")), UnsafePathError)
  })

  it("refuses a directory behind a link and a neighbour with the same beginning, follows a link inside", async () => {
    const reader = await openDirectory(root)
    symlinkSync("a", join(root, "logs/zone/inside"))
    assert.deepStrictEqual(await reader.read("logs/zone/inside"), new TextEncoder().encode("abc"))
    mkdirSync(`${root}-other`)
    writeFileSync(`${root}-other/file`, "x")
    symlinkSync(`${root}-other`, join(root, "neighbour"))
    assert.instanceOf(await rejection(reader.read("neighbour/file")), UnsafePathError)
    rmSync(join(root, "neighbour"))
    symlinkSync("..", join(root, "logs/loop"))
    assert.instanceOf(await rejection(list(reader, "logs/")), UnsafePathError)
  })

  it("refuses a directory and a named pipe as an object instead of waiting", async () => {
    const reader = await openDirectory(root)
    assert.instanceOf(await rejection(reader.hash("logs/zone")), UnsafePathError)
    execFileSync("mkfifo", [join(root, "logs/zone/pipe")])
    assert.instanceOf(await rejection(reader.hash("logs/zone/pipe")), UnsafePathError)
  }, 5000)

  it("refuses to read a huge file, and to hash one that is larger than it should be", async () => {
    const reader = await openDirectory(root)
    const huge = 5 * 2 ** 30
    truncateSync(join(root, "logs/zone/a"), huge)
    const error = await rejection(reader.read("logs/zone/a"))
    assert.instanceOf(error, FileTooLargeError)
    assert.match(String(error), /logs\/zone\/a: 5368709120 bytes, the limit is 33554432/)
    const started = performance.now()
    assert.deepStrictEqual(await reader.hash("logs/zone/a", { maxBytes: huge - 1 }), { size: huge, sha256: null })
    assert.isBelow(performance.now() - started, 1000)
    const whole = await reader.hash("logs/zone/b", { maxBytes: 3 * 1024 * 1024 + 7 })
    assert.match(whole?.sha256 ?? "", /^[0-9a-f]{64}$/)
  })

  it("lists what is there although files come and go meanwhile", async () => {
    const reader = await openDirectory(root)
    const names = Array.from({ length: 400 }, (_, index) => join(root, `logs/zone/temporary-${index}`))
    for (const name of names) writeFileSync(name, "x")
    const listed: Array<string> = []
    for await (const { key } of reader.list("logs/")) {
      // The first file that is listed makes all others vanish, after their names were read.
      if (listed.length === 0) { for (const name of names) rmSync(name, { force: true }) }
      listed.push(key)
    }
    assert.isAbove(listed.length, 0)
    assert.isBelow(listed.length, 402)
  })

  it("shows a file whose name is not UTF-8 instead of failing", async () => {
    writeFileSync(Buffer.concat([Buffer.from(join(root, "logs/zone/")), Buffer.from([0xff, 0x62])]), "x")
    const reader = await openDirectory(root)
    assert.deepStrictEqual(await list(reader, "logs/"), ["logs/zone/a", "logs/zone/b", "logs/zone/\ufffdb"])
    assert.isNull(await reader.read("logs/zone/\ufffdb"))
  })

  it("says what to give when the directory is none", async () => {
    assert.instanceOf(await rejection(openDirectory(join(base, "none"))), ArchiveNotFoundError)
    const error = await rejection(openDirectory(join(base, "secret")))
    assert.match(String(error), /is not a directory; give the directory that holds/)
  })

  it("opens an archive that is itself behind a symbolic link", async () => {
    symlinkSync(root, join(base, "link"))
    const reader = await openDirectory(join(base, "link"))
    assert.deepStrictEqual(await list(reader, "logs/zone/a"), ["logs/zone/a"])
  })
})
