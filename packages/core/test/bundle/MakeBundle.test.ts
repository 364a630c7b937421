/**
 * Making bundles: the same bytes from a directory and from the object store, and what is left when it fails.
 */
import { assert, describe, it } from "@effect/vitest"
import { verifyBundle } from "@rainlogs/verify/bundle/VerifyBundle"
import { newHash, withBundleFile } from "@rainlogs/verify/node/BundleFile"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { verify as verifySignature } from "@rainlogs/verify/node/NativeEd25519"
import { exitCode } from "@rainlogs/verify/Report"
import { origin, start, zone } from "@rainlogs/verify/tampering/ArchiveBuilder"
import { day, trust } from "@rainlogs/verify/tampering/EvidenceArchive"
import { Deferred, Effect, Exit, Fiber, Option } from "effect"
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { createReadStream, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { type BundleOrder, type BundleSource, makeBundle } from "../../src/bundle/MakeBundle.ts"
import * as ObjectStoreFileSystem from "../../src/storage/ObjectStoreFileSystem.ts"
import * as ObjectStoreReader from "../../src/storage/ObjectStoreReader.ts"
import { temporaryDirectory } from "../storage/TemporaryDirectory.ts"
import { writeEvidence } from "./EvidenceDirectory.ts"

const world = Effect.gen(function*() {
  const archive = yield* temporaryDirectory
  const folder = yield* temporaryDirectory
  const files = yield* Effect.promise(() => writeEvidence(archive))
  const source = yield* Effect.provide(ObjectStoreReader.make, ObjectStoreFileSystem.layer(archive))
  const order = (out: string, more: Partial<BundleOrder> = {}): BundleOrder => ({
    origin,
    chain: zone,
    from: start + 40 * day,
    to: start + 50 * day,
    source,
    disclose: Option.none(),
    out: join(folder, out),
    temporary: join(folder, `${out}.part`),
    reservedBytes: 0,
    ...more
  })
  return { archive, folder, files, source, order }
})

describe("a bundle", () => {
  it.live(
    "has the same bytes from a directory and from the object store, and verifies",
    () =>
      Effect.gen(function*() {
        const { archive, folder, order } = yield* world
        const progress: Array<number> = []
        const stored = yield* makeBundle(order("stored.zip", { onProgress: ({ entries }) => progress.push(entries) }))
        const reader = yield* Effect.promise(() => openDirectory(archive))
        const directory: BundleSource = { ...reader, stream: (key) => createReadStream(join(archive, key)) }
        const read = yield* makeBundle(order("read.zip", { source: directory }))
        assert.deepStrictEqual(read, stored)
        const bytes = readFileSync(join(folder, "stored.zip"))
        assert.isTrue(bytes.equals(readFileSync(join(folder, "read.zip"))))
        assert.strictEqual(stored.bytes, bytes.length)
        assert.strictEqual(stored.sha256, createHash("sha256").update(bytes).digest("hex"))
        assert.strictEqual(progress.at(-1), stored.size)
        assert.deepStrictEqual(readdirSync(folder).toSorted(), ["read.zip", "stored.zip"])
        const report = yield* Effect.promise(() =>
          withBundleFile(
            join(folder, "stored.zip"),
            (file) => verifyBundle(file, { ...trust(), verifySignature }, newHash)
          )
        )
        assert.strictEqual(exitCode(report), 0, JSON.stringify(report.findings.slice(0, 5)))
        assert.strictEqual(report.counts.objects, stored.objects)
      }).pipe(Effect.scoped),
    60_000
  )

  it.live("whose file a killed attempt left is made from the start", () =>
    Effect.gen(function*() {
      const { folder, order } = yield* world
      writeFileSync(join(folder, "a.zip.part"), "half of something else")
      const first = yield* makeBundle(order("a.zip"))
      assert.strictEqual(createHash("sha256").update(readFileSync(join(folder, "a.zip"))).digest("hex"), first.sha256)
      assert.deepStrictEqual(yield* makeBundle(order("b.zip")), first)
      assert.deepStrictEqual(readdirSync(folder).toSorted(), ["a.zip", "b.zip"])
    }).pipe(Effect.scoped), 60_000)

  it.live(
    "that is interrupted has no file left by the time the interruption is over, in either pass",
    () =>
      Effect.gen(function*() {
        const { folder, order, source } = yield* world
        for (const pass of [1, 2]) {
          const reached = yield* Deferred.make<void>()
          const open = new Map<string, number>()
          const slow: BundleSource = {
            ...source,
            stream: async function*(key) {
              open.set(key, (open.get(key) ?? 0) + 1)
              for await (const chunk of source.stream(key)) {
                if (open.get(key) === pass) {
                  Deferred.doneUnsafe(reached, Exit.void)
                  // As a store that does not answer any more.
                  await new Promise(() => {})
                }
                yield chunk
              }
            }
          }
          const making = yield* Effect.forkChild(makeBundle(order("stopped.zip", { source: slow })))
          yield* Deferred.await(reached)
          yield* Fiber.interrupt(making)
          assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(making)))
          assert.deepStrictEqual(readdirSync(folder), [], `pass ${pass}`)
        }
      }).pipe(Effect.scoped),
    60_000
  )

  it.live("says what is wrong, and leaves nothing", () =>
    Effect.gen(function*() {
      const { archive, files, folder, order } = yield* world
      const fails = (more: Partial<BundleOrder>) => Effect.flip(makeBundle(order("none.zip", more)))
      const full = yield* fails({ reservedBytes: Number.MAX_SAFE_INTEGER })
      assert.strictEqual(full.code, "disk-full")
      assert.match(full.message, /is \d+ bytes, and the disk has \d+ bytes free.*Delete bundles/)
      assert.strictEqual((yield* fails({ mostObjects: 3 })).code, "too-many-objects")
      assert.strictEqual((yield* fails({ origin: "other.example/t/x" })).code, "unpublished")
      const file = join(folder, "file")
      writeFileSync(file, "")
      const under = { out: join(file, "a.zip"), temporary: join(file, "a.part") }
      assert.strictEqual((yield* fails(under)).code, "folder-unusable")
      const missing = { out: join(folder, "no", "a.zip"), temporary: join(folder, "no", "a.part") }
      assert.strictEqual((yield* fails(missing)).code, "folder-unusable")
      for (const key of files.keys()) if (key.includes("/tile/entries/")) rmSync(join(archive, key))
      const incomplete = yield* fails({})
      assert.strictEqual(incomplete.code, "archive-incomplete")
      assert.match(incomplete.message, /tile\/entries\/.*is missing/)
      assert.deepStrictEqual(readdirSync(folder), ["file"])
    }).pipe(Effect.scoped), 60_000)

  // A limit on the size of files works for every user, where filling a disk needs a mount.
  it.live("that outgrows the disk while it is written says so and leaves nothing", () =>
    Effect.gen(function*() {
      const { archive, folder } = yield* world
      const out = join(folder, "large.zip")
      const { stdout } = yield* Effect.promise(() =>
        promisify(execFile)("/bin/sh", [
          "-c",
          "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"",
          process.execPath,
          join(import.meta.dirname, "BundleUnderLimit.ts"),
          archive,
          out,
          origin,
          zone
        ])
      )
      const answer: { readonly code: string; readonly detail: string } = JSON.parse(stdout)
      assert.strictEqual(answer.code, "disk-full", stdout)
      assert.include(answer.detail, "EFBIG")
      assert.deepStrictEqual(readdirSync(folder), [])
    }).pipe(Effect.scoped), 60_000)
})
