import { assert, it } from "@effect/vitest"
import { emptyRoot, leafHash } from "@rainlogs/verify/Merkle"
import { edgeTiles, GrowingTree, partialPaths } from "../../src/ledger/GrowingTree.ts"
import { naiveRoot, naiveTiles } from "./NaiveTree.ts"

const entry = (index: number): Uint8Array => new TextEncoder().encode(`entry ${index}\n`)
const leaves = Array.from({ length: 70_000 }, (_, index) => leafHash(entry(index)))
const grown = (from: GrowingTree, to: number): GrowingTree => {
  for (let index = from.size; index < to; index++) from.append(entry(index), leaves[index]!)
  return from
}

it("has the RFC 6962 root at every size up to 700", () => {
  const tree = new GrowingTree(0, [], [])
  assert.deepStrictEqual(tree.root(), emptyRoot)
  for (let size = 1; size <= 700; size++) {
    tree.append(entry(size - 1), leaves[size - 1]!)
    assert.deepStrictEqual(tree.root(), naiveRoot(leaves.slice(0, size)), `size ${size}`)
  }
}, 60_000)

it("has the RFC 6962 root past a full level-1 tile (65 536 leaves)", () => {
  const tree = new GrowingTree(0, [], [])
  for (const size of [65_535, 65_536, 65_537, 65_792, 70_000]) {
    grown(tree, size)
    assert.deepStrictEqual(tree.root(), naiveRoot(leaves.slice(0, size)), `size ${size}`)
  }
}, 60_000)

it("names and fills every tile and bundle up to 70 000 leaves", () => {
  const tree = grown(new GrowingTree(0, [], []), 70_000)
  const files = new Map([...tree.takeFull(), ...tree.partial()].map(({ bytes, path }) => [path, bytes]))
  const { files: expected, levels } = naiveTiles(leaves, leaves.map((_, index) => entry(index)))
  assert.strictEqual(levels, 3)
  assert.deepStrictEqual([...files.keys()].sort(), [...expected.keys()].sort())
  for (const [path, bytes] of expected) assert.deepStrictEqual(files.get(path), bytes, path)
}, 60_000)

it("goes on from its right edge at any size as if it had never stopped", () => {
  for (const size of [1, 255, 256, 257, 512, 65_535, 65_536, 69_999]) {
    const edge = edgeTiles(size).map(({ index, level, width }) =>
      Array.from({ length: width }, (_, i) => {
        const span = 256 ** level
        const first = (index * 256 + i) * span
        return naiveRoot(leaves.slice(first, first + span))
      })
    )
    const entries = Array.from({ length: size % 256 }, (_, i) => entry(size - size % 256 + i))
    const resumed = new GrowingTree(size, edge, entries)
    assert.deepStrictEqual(resumed.root(), naiveRoot(leaves.slice(0, size)), `size ${size}`)
    const next = Math.min(size + 300, 70_000)
    assert.deepStrictEqual(grown(resumed, next).root(), naiveRoot(leaves.slice(0, next)), `size ${size} and on`)
  }
}, 60_000)

it("refuses a right edge or a bundle that does not fit the size", () => {
  assert.throws(() => new GrowingTree(3, [leaves.slice(0, 2)], [entry(0), entry(1), entry(2)]), RangeError)
  assert.throws(() => new GrowingTree(3, [leaves.slice(0, 3)], [entry(0), entry(1)]), RangeError)
})

it("names no partial file for a tree of full tiles", () => {
  assert.deepStrictEqual(partialPaths(65_536), ["tile/2/000.p/1"])
  assert.deepStrictEqual(partialPaths(256), ["tile/1/000.p/1"])
  assert.deepStrictEqual(partialPaths(257), ["tile/0/001.p/1", "tile/entries/001.p/1", "tile/1/000.p/1"])
  assert.deepStrictEqual(partialPaths(0), [])
})
