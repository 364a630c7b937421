import { assert, describe, it } from "vitest"
import * as Bytes from "../../src/Bytes.ts"
import { exitCode } from "../../src/Report.ts"
import { smallArchive, zone } from "../ArchiveBuilder.ts"
import {
  both,
  changed,
  codes,
  contested,
  entryAt,
  flip,
  key,
  objectKeys,
  republished,
  tampered,
  verify,
  without
} from "../Verification.ts"

describe("objects and documents", () => {
  it("a flipped bit, an appended byte and a missing object are found", async () => {
    const { files } = smallArchive()
    const [first = ""] = objectKeys(files)
    const report = await tampered(changed(files, first, flip(20)), "OBJECT_HASH_MISMATCH")
    const finding = contested(report).find(({ code }) => code === "OBJECT_HASH_MISMATCH")
    assert.deepStrictEqual([finding?.chain, finding?.seq, finding?.key], [zone, 0, first])
    await tampered(changed(files, first, (bytes) => Bytes.concat(bytes, Uint8Array.of(10))), "OBJECT_HASH_MISMATCH")
    await tampered(without(files, first), "UNAUTHORISED_DELETION")
  })

  it("a missing, changed or resized document is found", async () => {
    const builder = smallArchive()
    for (const kind of ["genesis", "policy", "heartbeat", "gap"] as const) {
      const entry = builder.entries.find((candidate) => candidate.kind === kind)
      const path = key(entry?.key ?? "")
      const missing = await verify(without(builder.files, path))
      assert.include(codes(missing), "UNAUTHORISED_DELETION", kind)
      assert.strictEqual(exitCode(missing, both), 1)
      const flipped = await verify(changed(builder.files, path, flip(30)))
      assert.include(codes(flipped), "OBJECT_HASH_MISMATCH", kind)
      const resized = await verify(changed(builder.files, path, (bytes) => bytes.subarray(1)))
      assert.include(codes(resized), "OBJECT_HASH_MISMATCH", kind)
    }
    const params = [...builder.files.keys()].find((name) =>
      name.includes("/event/") && !builder.entries.some((entry) => name.endsWith(entry.key ?? "-"))
    )
    await tampered(without(builder.files, params ?? ""), "UNAUTHORISED_DELETION")
    await tampered(changed(builder.files, params ?? "", flip(3)), "OBJECT_HASH_MISMATCH")
  })

  it("a size that is not the stored one is found, even when the hash is right", async () => {
    for (const kind of ["object", "policy"] as const) {
      const builder = smallArchive()
      const index = builder.entries.findIndex((entry) => entry.kind === kind)
      const entry = entryAt(builder, index)
      builder.entries[index] = { ...entry, size: entry.size + 1 }
      assert.include(codes(await verify(republished(builder))), "OBJECT_HASH_MISMATCH", kind)
    }
  })

  it("an object under a key that its entry does not imply is not read", async () => {
    const builder = smallArchive()
    const entry = entryAt(builder, 2)
    builder.entries[2] = { ...entry, key: "logs/elsewhere" }
    await tampered(republished(builder), "OBJECT_KEY_MISMATCH")
  })
})
