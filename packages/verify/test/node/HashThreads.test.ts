import { afterAll, assert, describe, it } from "@effect/vitest"
import { createHash, randomBytes } from "node:crypto"
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { HashThreads } from "../../src/node/HashThreads.ts"

const directory = mkdtempSync(join(tmpdir(), "rainlogs-hash-threads-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const write = (name: string, bytes: Uint8Array) => {
  const path = join(directory, name)
  writeFileSync(path, bytes)
  return path
}

describe("hashing on threads", () => {
  it("gives the digest of each file, more files at once than threads, and counts every byte", async () => {
    const threads = new HashThreads(2)
    const files = Array.from({ length: 9 }, (_, index) => randomBytes(index * 1_500_000))
    let told = 0
    const digests = await Promise.all(files.map(async (bytes, index) => {
      const descriptor = openSync(write(`file-${index}`, bytes), "r")
      try {
        return await threads.digest(descriptor, Number.POSITIVE_INFINITY, (count) => told += count)
      } finally {
        closeSync(descriptor)
      }
    }))
    const expected = files.map((bytes) => ({
      size: bytes.length,
      sha256: createHash("sha256").update(bytes).digest("hex")
    }))
    assert.deepStrictEqual(digests, expected)
    assert.strictEqual(told, files.reduce((sum, bytes) => sum + bytes.length, 0))
  })

  it("stops at the size it is given", async () => {
    const descriptor = openSync(write("large", Buffer.alloc(3_000_000)), "r")
    const digest = await new HashThreads(1).digest(descriptor, 1_000_000)
    closeSync(descriptor)
    assert.isNull(digest.sha256)
    assert.isBelow(digest.size, 1_300_000)
  })

  it("rejects what cannot be read and goes on with the next file", async () => {
    const threads = new HashThreads(1)
    const next = openSync(write("next", Buffer.from("next")), "r")
    // A directory opens and does not read.
    const unreadable = openSync(directory, "r")
    const results = await Promise.allSettled([
      threads.digest(unreadable, Number.POSITIVE_INFINITY),
      threads.digest(next, Number.POSITIVE_INFINITY)
    ])
    closeSync(next)
    closeSync(unreadable)
    assert.deepStrictEqual(results.map(({ status }) => status), ["rejected", "fulfilled"])
  })
})
