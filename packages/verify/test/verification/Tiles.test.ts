import { assert, describe, it } from "vitest"
import { exitCode } from "../../src/Report.ts"
import { entriesPath, tilePath } from "../../src/Tile.ts"
import { largeArchive } from "../ArchiveBuilder.ts"
import { both, changed, codes, flip, key, tampered, verify, without } from "../Verification.ts"

describe("tiles", () => {
  it("a changed, cut or missing tile is found at every level", async () => {
    const { files } = largeArchive(6)
    for (const path of [tilePath(0, 0), tilePath(0, 0, 63), tilePath(0, 1, 112), tilePath(1, 0, 1)]) {
      await tampered(changed(files, key(path), flip(5)), "TILE_MISMATCH")
      await tampered(changed(files, key(path), (bytes) => bytes.subarray(32)), "TILE_MISMATCH")
    }
    for (const path of [tilePath(0, 0), tilePath(0, 1, 112)]) await tampered(without(files, key(path)), "TILE_MISSING")
    const levels = [...files.keys()].filter((name) => name.startsWith(key("tile/1/")))
    await tampered(without(files, ...levels), "TILE_MISSING")
  })

  it("a changed or missing bundle is found, partial ones too", async () => {
    const { files } = largeArchive(6)
    await tampered(changed(files, key(entriesPath(0, 63)), flip(500)), "TILE_MISMATCH")
    const missing = await verify(without(files, key(entriesPath(1, 112))))
    assert.include(codes(missing), "TRUNCATED")
    const cut = await verify(changed(files, key(entriesPath(1, 112)), (bytes) => bytes.subarray(0, -1)))
    assert.deepStrictEqual([exitCode(cut, both), codes(cut).includes("MALFORMED_ENTRY")], [3, true])
  })
})
