import { assert, describe, it } from "vitest"
import * as Bytes from "../src/Bytes.ts"
import { parseCheckpoint } from "../src/Checkpoint.ts"
import { MalformedError } from "../src/Malformed.ts"
import { CompactRange, leafHash } from "../src/Merkle.ts"
import { parseNote } from "../src/Note.ts"
import { encodeEntryBundle, entriesPath, parseEntryBundle, parseTilePath, tilePath } from "../src/Tile.ts"
import { readVector } from "./Vectors.ts"

describe("tile paths", () => {
  it("group the index by three digits", () => {
    assert.strictEqual(tilePath(0, 1_234_067), "tile/0/x001/x234/067")
    assert.strictEqual(tilePath(0, 1_234_067, 8), "tile/0/x001/x234/067.p/8")
    assert.strictEqual(tilePath(63, 0), "tile/63/000")
    assert.strictEqual(entriesPath(1000, 255), "tile/entries/x001/000.p/255")
  })

  it("are read back, and only as they are printed", () => {
    for (const index of [0, 1, 999, 1000, 1001, 999_999, 1_000_000, 123_456_789_012, Number.MAX_SAFE_INTEGER]) {
      for (const width of [1, 255, 256]) {
        assert.deepStrictEqual(parseTilePath(tilePath(3, index, width)), { level: 3, index, width })
        assert.deepStrictEqual(parseTilePath(entriesPath(index, width)), { level: "entries", index, width })
      }
    }
    const wrong = ["tile/0/0", "tile/00/000", "tile/64/000", "tile/0/x000/000", "tile/0/001/000", "tile/0/000.p/256"]
    const more = [
      "tile/0/000.p/0",
      "tile/0/000.p/01",
      "tile/0/000/",
      "/tile/0/000",
      "tile/0/x001",
      "tile/data/000",
      "tile"
    ]
    for (const path of [...wrong, ...more]) assert.isNull(parseTilePath(path), path)
    assert.throws(() => tilePath(0, -1), RangeError)
    assert.throws(() => tilePath(0, 0, 257), RangeError)
    assert.throws(() => tilePath(64, 0), RangeError)
  })
})

describe("entry bundles", () => {
  it("carry entries of any length up to 65 535 bytes", () => {
    const entries = [0, 1, 255, 256, 65_535].map((length) => new Uint8Array(length).fill(length & 0xff))
    assert.deepStrictEqual(parseEntryBundle(encodeEntryBundle(entries), 5), entries)
    assert.throws(() => encodeEntryBundle([new Uint8Array(65_536)]), MalformedError)
    assert.throws(() => encodeEntryBundle([]), MalformedError)
    assert.throws(() => encodeEntryBundle(Array.from({ length: 257 }, () => new Uint8Array(1))), MalformedError)
  })

  it("are refused when cut, longer than their width, or too short for a length", () => {
    const bundle = encodeEntryBundle([new Uint8Array(3), new Uint8Array(4)])
    for (let length = 0; length < bundle.length; length++) {
      assert.throws(() => parseEntryBundle(bundle.subarray(0, length), 2), MalformedError)
    }
    assert.throws(() => parseEntryBundle(bundle, 1), MalformedError)
    assert.throws(() => parseEntryBundle(bundle, 3), MalformedError)
    assert.throws(() => parseEntryBundle(Bytes.concat(bundle, Uint8Array.of(0)), 2), MalformedError)
  })
})

describe("tiles of other logs", () => {
  const assertTile = (path: string, hashes: ReadonlyArray<Uint8Array>) =>
    assert.isTrue(Bytes.equal(Bytes.concat(...hashes), readVector(path)), path)

  it("Tessera: every partial tile and every root up to 15 entries", () => {
    const directory = "tlog-tiles/tessera-testlog"
    for (let size = 1; size <= 15; size++) {
      const bytes = readVector(`${directory}/${entriesPath(0, size)}`)
      const entries = parseEntryBundle(bytes, size)
      assert.isTrue(Bytes.equal(encodeEntryBundle(entries), bytes))
      assertTile(`${directory}/${tilePath(0, 0, size)}`, entries.map((entry) => leafHash(entry)))
      const tree = CompactRange.empty()
      for (const entry of entries) tree.append(leafHash(entry))
      const checkpoint = parseCheckpoint(parseNote(readVector(`${directory}/checkpoint.${size}`)).text)
      assert.strictEqual(checkpoint.size, size)
      assert.isTrue(Bytes.equal(checkpoint.root, tree.root()))
    }
  })

  it("Sunlight: a full tile, a partial one, the level above and the root of 300 entries", () => {
    const directory = "tlog-tiles/sunlight-mirror"
    const stored = Bytes.concat(
      readVector(`${directory}/${tilePath(0, 0)}`),
      readVector(`${directory}/${tilePath(0, 1, 44)}`)
    )
    const tree = CompactRange.empty()
    const above: Array<Uint8Array> = []
    for (let at = 0; at < stored.length; at += 32) {
      tree.append(stored.subarray(at, at + 32), (level, _, hash) => {
        if (level === 8) above.push(hash)
      })
    }
    assertTile(`${directory}/${tilePath(1, 0, 1)}`, above)
    const checkpoint = parseCheckpoint(parseNote(readVector(`${directory}/checkpoint`)).text)
    assert.deepStrictEqual([checkpoint.size, tree.size], [300, 300])
    assert.isTrue(Bytes.equal(checkpoint.root, tree.root()))
  })
})
