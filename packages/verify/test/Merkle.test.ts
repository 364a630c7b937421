import { assert, describe, it } from "vitest"
import * as Base64 from "../src/Base64.ts"
import * as Hex from "../src/Hex.ts"
import {
  CompactRange,
  consistencyProof,
  emptyRoot,
  inclusionProof,
  leafHash,
  nodeHash,
  subtreeRoot,
  verifyConsistency,
  verifyInclusion
} from "../src/Merkle.ts"
import { consistencyVectors, inclusionVectors, treeVectors } from "./Vectors.ts"

// The tree of RFC 6962's definition, recursive and without any shared code.
const definition = (leaves: ReadonlyArray<Uint8Array>): Uint8Array => {
  if (leaves.length === 0) return emptyRoot
  if (leaves.length === 1) return leaves[0] ?? emptyRoot
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return nodeHash(definition(leaves.slice(0, split)), definition(leaves.slice(split)))
}

const leavesOf = (count: number) =>
  Array.from({ length: count }, (_, index) => leafHash(Uint8Array.of(index, index >> 8)))

const grow = (leaves: ReadonlyArray<Uint8Array>) => {
  const nodes = new Map<string, Uint8Array>()
  const tree = CompactRange.empty()
  for (const leaf of leaves) tree.append(leaf, (level, index, hash) => nodes.set(`${level}/${index}`, hash))
  const read = (level: number, index: number) => {
    const hash = nodes.get(`${level}/${index}`)
    if (hash === undefined) throw new Error(`no node ${level}/${index}`)
    return hash
  }
  return { tree, read, nodes }
}

describe("RFC 6962 vectors", () => {
  it("hashes every node of the reference tree", () => {
    const { nodes } = grow(treeVectors.leafInputsHex.map((leaf) => leafHash(Hex.decode(leaf))))
    for (const [level, hashes] of treeVectors.nodeHashesHex.entries()) {
      for (const [index, hash] of hashes.entries()) {
        const node = nodes.get(`${level}/${index}`)
        if (node !== undefined) assert.strictEqual(Hex.encode(node), hash)
      }
    }
    assert.strictEqual(nodes.size, 15)
  })

  it.each(inclusionVectors.map((vector) => [vector.desc, vector] as const))("inclusion: %s", (_, vector) => {
    const proof = (vector.proof ?? []).map(Base64.decode)
    const [root, leaf] = [Base64.decode(vector.root), Base64.decode(vector.leafHash)]
    const valid = verifyInclusion({ index: vector.leafIdx, size: vector.treeSize, leafHash: leaf, root, proof })
    assert.strictEqual(valid, !vector.wantErr)
  })

  it.each(consistencyVectors.map((vector) => [vector.desc, vector] as const))("consistency: %s", (_, vector) => {
    const proof = (vector.proof ?? []).map(Base64.decode)
    const [root1, root2] = [Base64.decode(vector.root1), Base64.decode(vector.root2)]
    const valid = verifyConsistency({ size1: vector.size1, size2: vector.size2, root1, root2, proof })
    // Some vectors use short texts as roots; a root has 32 bytes here.
    assert.strictEqual(valid, !vector.wantErr && root1.length === 32)
  })
})

describe("a growing tree", () => {
  it("has at every size up to 70 the root of the definition, from any right edge on", async () => {
    const leaves = leavesOf(70)
    const { tree, read } = grow([])
    assert.deepStrictEqual(await subtreeRoot(read, 0), emptyRoot)
    for (let size = 0; size < leaves.length; size++) {
      const expected = definition(leaves.slice(0, size))
      assert.deepStrictEqual(tree.root(), expected)
      const resumed = CompactRange.from(size, tree.hashes)
      resumed.append(leaves[size] ?? emptyRoot)
      tree.append(leaves[size] ?? emptyRoot)
      assert.deepStrictEqual(resumed.root(), tree.root())
    }
  })

  it("proves every leaf and every earlier size, up to 33 leaves, and nothing else", async () => {
    const leaves = leavesOf(33)
    const { read } = grow(leaves)
    const roots = await Promise.all(leaves.map((_, index) => subtreeRoot(read, index + 1)))
    const root = (size: number) => roots[size - 1] ?? emptyRoot
    for (let size = 1; size <= 33; size++) {
      for (let index = 0; index < size; index++) {
        const proof = await inclusionProof(read, index, size)
        const claim = { index, size, leafHash: leaves[index] ?? emptyRoot, root: root(size), proof }
        assert.isTrue(verifyInclusion(claim))
        assert.isFalse(verifyInclusion({ ...claim, index: (index + 1) % (size + 1) }) && size > 1)
        assert.isFalse(verifyInclusion({ ...claim, proof: [...proof, emptyRoot] }))
        if (proof.length > 0) assert.isFalse(verifyInclusion({ ...claim, proof: proof.slice(1) }))
      }
      for (let size1 = 1; size1 <= size; size1++) {
        const proof = await consistencyProof(read, size1, size)
        const claim = { size1, size2: size, root1: root(size1), root2: root(size), proof }
        assert.isTrue(verifyConsistency(claim))
        assert.isFalse(verifyConsistency({ ...claim, root1: emptyRoot }))
        assert.isFalse(verifyConsistency({ ...claim, root2: emptyRoot }))
        assert.isFalse(verifyConsistency({ ...claim, proof: [...proof, emptyRoot] }))
        if (proof.length > 0) assert.isFalse(verifyConsistency({ ...claim, proof: proof.slice(1) }))
      }
    }
  })

  it("refuses impossible sizes in bounded time", async () => {
    const { read } = grow(leavesOf(3))
    const claim = { root1: emptyRoot, root2: emptyRoot, proof: Array.from({ length: 200 }, () => emptyRoot) }
    for (const [size1, size2] of [[0, 0], [0, 8], [9, 8], [-1, 8], [1, 2 ** 53], [1.5, 2]] as const) {
      assert.isFalse(verifyConsistency({ ...claim, size1, size2 }))
      await consistencyProof(read, size1, size2).then(
        () => assert.fail(`made a proof from ${size1} to ${size2}`),
        (error: unknown) => assert.instanceOf(error, RangeError)
      )
    }
    assert.isFalse(verifyConsistency({ ...claim, size1: 1, size2: Number.MAX_SAFE_INTEGER }))
    const long = { leafHash: emptyRoot, root: emptyRoot, proof: claim.proof }
    assert.isFalse(verifyInclusion({ ...long, index: 0, size: Number.MAX_SAFE_INTEGER }))
    assert.isFalse(verifyInclusion({ ...long, index: 0, size: 2, proof: [emptyRoot.subarray(1)] }))
    assert.throws(() => CompactRange.from(3, [emptyRoot]), RangeError)
    assert.throws(() => CompactRange.from(2, [emptyRoot.subarray(1)]), RangeError)
  })
})
