import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, Stream } from "effect"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { listDirectory } from "../../src/storage/DirectoryListing.ts"
import { temporaryDirectory } from "./TemporaryDirectory.ts"

const Segment = Schema.Literals(["a", "b", "a-b", "a.b", "a0", "a_b", "A", "Z", "0", "aa"])
const Key = Schema.Array(Segment).pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(4)))
const Page = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 5 })))
const Prefix = Schema.Literals(["", "a", "a/", "a-", "a/a", "a/b/", "a0", "Z/Z/Z", "aa/"])

const keysOf = (root: string, prefix: string, pageNames: number) =>
  Effect.map(
    Stream.runCollect(Stream.map(listDirectory(root, prefix, pageNames), ({ key }) => key)),
    (keys) => [...keys]
  )

describe("listDirectory", () => {
  it.effect.prop(
    "lists exactly the keys with the prefix, in key order, however small its pages are",
    [Schema.Array(Key), Page, Prefix],
    ([paths, pageNames, prefix]) =>
      Effect.gen(function*() {
        const root = yield* temporaryDirectory
        const keys = new Set<string>()
        for (const key of paths.map((path) => path.join("/"))) {
          // A name is a file or a directory, never both.
          const clash = [...keys].some((other) => other.startsWith(`${key}/`) || key.startsWith(`${other}/`))
          if (clash) continue
          mkdirSync(dirname(join(root, key)), { recursive: true })
          writeFileSync(join(root, key), key)
          keys.add(key)
        }
        assert.deepStrictEqual(
          yield* keysOf(root, prefix, pageNames),
          [...keys].filter((key) => key.startsWith(prefix)).sort()
        )
      })
  )

  it.effect("a file removed while it is listed is left out", () =>
    Effect.gen(function*() {
      const root = yield* temporaryDirectory
      for (const name of ["a", "b", "c"]) writeFileSync(join(root, name), name)
      const seen = yield* Stream.runCollect(
        listDirectory(root, "").pipe(
          Stream.tap(({ key }) => Effect.sync(() => key === "a" && rmSync(join(root, "b"))))
        )
      )
      assert.deepStrictEqual(seen.map(({ key }) => key), ["a", "c"])
    }))

  it.effect("a directory that is not there holds nothing", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* keysOf(join(yield* temporaryDirectory, "none"), "a/b/", 10), [])
    }))
})
