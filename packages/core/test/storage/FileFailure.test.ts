import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { open } from "node:fs/promises"
import { categoryOf, fileCall } from "../../src/storage/FileFailure.ts"

describe("file failures", () => {
  it("are sorted by what a caller can do", () => {
    for (const errno of ["ENOSPC", "EDQUOT", "EFBIG"]) assert.strictEqual(categoryOf(errno), "full")
    for (const errno of ["EACCES", "EPERM", "EROFS"]) assert.strictEqual(categoryOf(errno), "unauthorised")
    for (const errno of ["ELOOP", "ENOTDIR", "EISDIR", "ENAMETOOLONG"]) {
      assert.strictEqual(categoryOf(errno), "rejected")
    }
    for (const errno of ["EIO", "EMFILE", "ESTALE", "EBUSY", undefined]) {
      assert.strictEqual(categoryOf(errno), "transient")
    }
  })

  it.effect("of real calls carry operation, key and errno", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(fileCall("put", "a/b", () => open("/proc/self/status/x", "r")))
      assert.deepInclude({ ...error }, { operation: "put", key: "a/b", category: "rejected", detail: "ENOTDIR" })
    }))

  it.effect("a really full device is `full`", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(fileCall("put", "a", async () => {
        const file = await open("/dev/full", "w")
        try {
          await file.write(Buffer.from("x"))
        } finally {
          await file.close()
        }
      }))
      assert.deepInclude({ ...error }, { category: "full", detail: "ENOSPC" })
    }))

  it.effect("without an errno say what happened", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(fileCall("get", "a", () => Promise.reject(new Error("odd"))))
      assert.deepInclude({ ...error }, { operation: "get", category: "transient", detail: "odd" })
    }))
})
