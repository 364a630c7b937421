/**
 * The verdicts over the public vectors, as a list of texts that must be the same wherever the verifier runs. It imports
 * nothing but the verifier, and is given the vectors, so that it runs in a browser as well.
 */
import * as Base64 from "../../src/Base64.ts"
import * as Bytes from "../../src/Bytes.ts"
import { parseCheckpoint } from "../../src/Checkpoint.ts"
import { verify } from "../../src/Ed25519.ts"
import * as Hex from "../../src/Hex.ts"
import { CompactRange, leafHash, nodeHash, verifyConsistency, verifyInclusion } from "../../src/Merkle.ts"
import { verifySubtreeConsistency, verifySubtreeInclusion } from "../../src/MerkleSubtree.ts"
import { parseNote, verifyNote } from "../../src/Note.ts"
import { parseEntryBundle } from "../../src/Tile.ts"
import { parseCertificates } from "../../src/timestamp/Certificate.ts"
import { verifyTimestamp } from "../../src/timestamp/VerifyTimestamp.ts"
import { parseTlogProof } from "../../src/TlogProof.ts"
import { parseVerifierKey } from "../../src/VerifierKey.ts"

/** The vectors, as their files say them. */
export interface Vectors {
  readonly trees: {
    readonly leafInputsHex: ReadonlyArray<string>
    readonly nodeHashesHex: ReadonlyArray<ReadonlyArray<string>>
  }
  readonly inclusion: ReadonlyArray<
    Proof & { readonly leafIdx: number; readonly treeSize: number; readonly root: string; readonly leafHash: string }
  >
  readonly consistency: ReadonlyArray<
    Proof & { readonly size1: number; readonly size2: number; readonly root1: string; readonly root2: string }
  >
  readonly subtreeInclusion: ReadonlyArray<
    Proof & {
      readonly leafIdx: number
      readonly start: number
      readonly end: number
      readonly root: string
      readonly leafHash: string
    }
  >
  readonly subtreeConsistency: ReadonlyArray<
    Proof & {
      readonly start: number
      readonly end: number
      readonly size: number
      readonly root1: string
      readonly root2: string
    }
  >
  readonly notes: {
    readonly badVkeys: ReadonlyArray<string>
    readonly cases: ReadonlyArray<
      {
        readonly note?: string
        readonly noteHex?: string
        readonly vkeys: ReadonlyArray<string>
        readonly wantOk: boolean
      }
    >
  }
  readonly checkpoints: { readonly cases: ReadonlyArray<{ readonly body: string; readonly wantErr: boolean }> }
  readonly tlogProofs: { readonly cases: ReadonlyArray<{ readonly proof: string }> }
  readonly cctv: ReadonlyArray<{ readonly key: string; readonly sig: string; readonly msg: string }>
  readonly wycheproof: {
    readonly testGroups: ReadonlyArray<{
      readonly publicKey: { readonly pk: string }
      readonly tests: ReadonlyArray<{ readonly msg: string; readonly sig: string; readonly result: string }>
    }>
  }
  /** C2SP tlog-tiles of other logs, all bytes in base64; bundle and tiles of the first level in order. */
  readonly tiles: ReadonlyArray<{
    readonly name: string
    /** The bundle of all entries; null where the log's entries are in another form. */
    readonly entries: string | null
    readonly tiles: ReadonlyArray<string>
    /** The tile of the level above; null where there is none. */
    readonly above: string | null
    readonly checkpoint: string
  }>
  readonly timestamps: ReadonlyArray<
    { readonly name: string; readonly response: string; readonly message: string; readonly chain: string }
  >
}

interface Proof {
  readonly proof: ReadonlyArray<string> | null
  readonly wantErr: boolean
}

// Bytes that are not base64 or hex are a verdict as well: refused.
const guarded = (judge: () => boolean): string => {
  try {
    return judge() ? "yes" : "no"
  } catch {
    return "no"
  }
}
const bytes = (text: string): Uint8Array => Base64.decode(text)
const hashes = (proof: ReadonlyArray<string> | null): Array<Uint8Array> => (proof ?? []).map(bytes)
const utf8 = new TextEncoder()

// Whether entries, tiles and signed root belong together.
const judgeTiles = ({ above, checkpoint, entries, tiles }: Vectors["tiles"][number]): boolean => {
  const stored = Bytes.concat(...tiles.map(bytes))
  const { root, size } = parseCheckpoint(parseNote(bytes(checkpoint)).text)
  const hashes = Array.from({ length: stored.length / 32 }, (_, at) => stored.subarray(at * 32, at * 32 + 32))
  const leaves = entries === null ? hashes : parseEntryBundle(bytes(entries), size).map((entry) => leafHash(entry))
  const tree = CompactRange.empty()
  const upper: Array<Uint8Array> = []
  for (const leaf of leaves) {
    tree.append(leaf, (level, _, hash) => {
      if (level === 8) upper.push(hash)
    })
  }
  return tree.size === size && Bytes.equal(tree.root(), root) && Bytes.equal(Bytes.concat(...leaves), stored) &&
    Bytes.equal(Bytes.concat(...upper), above === null ? new Uint8Array(0) : bytes(above))
}

// The same with one bit of the last hash flipped.
const damaged = (vector: Vectors["tiles"][number]): Vectors["tiles"][number] => {
  const last = bytes(vector.tiles.at(-1) ?? "").slice()
  last[last.length - 1] = (last.at(-1) ?? 0) ^ 1
  return { ...vector, tiles: [...vector.tiles.slice(0, -1), Base64.encode(last)] }
}

/** One line for each vector: its kind, its number, and what was found. */
export const verdictsOf = async (vectors: Vectors): Promise<Array<string>> => {
  const verdicts: Array<string> = []
  const say = (kind: string, index: number, verdict: string) => verdicts.push(`${kind} ${index} ${verdict}`)
  const leaves = vectors.trees.leafInputsHex.map((hex) => leafHash(Hex.decode(hex, hex.length / 2)))
  for (const [index, leaf] of leaves.entries()) say("leaf", index, Hex.encode(leaf))
  say("node", 0, Hex.encode(nodeHash(leaves[0] ?? new Uint8Array(32), leaves[1] ?? new Uint8Array(32))))
  vectors.inclusion.forEach(({ leafHash: leaf, leafIdx: at, proof, root, treeSize: size }, index) =>
    say(
      "inclusion",
      index,
      guarded(() =>
        verifyInclusion({ index: at, size, leafHash: bytes(leaf), root: bytes(root), proof: hashes(proof) })
      )
    )
  )
  vectors.consistency.forEach(({ proof, root1, root2, size1, size2 }, index) =>
    say(
      "consistency",
      index,
      guarded(() => verifyConsistency({ size1, size2, root1: bytes(root1), root2: bytes(root2), proof: hashes(proof) }))
    )
  )
  vectors.subtreeInclusion.forEach(({ end, leafHash: leaf, leafIdx: at, proof, root, start }, index) =>
    say(
      "subtree inclusion",
      index,
      guarded(() =>
        verifySubtreeInclusion({
          index: at,
          start,
          end,
          leafHash: bytes(leaf),
          root: bytes(root),
          proof: hashes(proof)
        })
      )
    )
  )
  vectors.subtreeConsistency.forEach(({ end, proof, root1, root2, size, start }, index) =>
    say(
      "subtree consistency",
      index,
      guarded(() =>
        verifySubtreeConsistency({ start, end, size, subtree: bytes(root1), root: bytes(root2), proof: hashes(proof) })
      )
    )
  )
  vectors.notes.cases.forEach(({ note, noteHex, vkeys }, index) =>
    say(
      "note",
      index,
      guarded(() => {
        const parsed = parseNote(
          noteHex === undefined ? utf8.encode(note ?? "") : Hex.decode(noteHex, noteHex.length / 2)
        )
        const { bad, verified } = verifyNote(parsed, vkeys.map(parseVerifierKey))
        return bad.length === 0 && verified.length > 0
      })
    )
  )
  vectors.notes.badVkeys.forEach((key, index) => say("vkey", index, guarded(() => parseVerifierKey(key).name !== "")))
  vectors.checkpoints.cases.forEach(({ body }, index) =>
    say("checkpoint", index, guarded(() => parseCheckpoint(body).size >= 0))
  )
  vectors.tlogProofs.cases.forEach(({ proof }, index) =>
    say("tlog-proof", index, guarded(() => parseTlogProof(utf8.encode(proof)).index >= 0))
  )
  vectors.cctv.forEach(({ key, msg, sig }, index) =>
    say("cctv", index, guarded(() => verify(Hex.decode(key, 32), utf8.encode(msg), Hex.decode(sig, 64))))
  )
  let number = 0
  for (const { publicKey, tests } of vectors.wycheproof.testGroups) {
    for (const { msg, sig } of tests) {
      const judge = () =>
        verify(Hex.decode(publicKey.pk, 32), Hex.decode(msg, msg.length / 2), Hex.decode(sig, sig.length / 2))
      say("wycheproof", number++, guarded(judge))
    }
  }
  for (const [index, vector] of vectors.tiles.entries()) {
    say("tlog-tiles", index, guarded(() => judgeTiles(vector)))
    say("damaged tlog-tiles", index, guarded(() => judgeTiles(damaged(vector))))
  }
  for (const [index, { chain, message, response }] of vectors.timestamps.entries()) {
    const certificates = parseCertificates(bytes(chain))
    const claim = {
      response: bytes(response),
      message: bytes(message),
      roots: certificates,
      intermediates: certificates
    }
    const judged = await verifyTimestamp(claim).then(
      (result) => result.outcome === "valid" ? `valid ${result.time}` : result.outcome,
      () => "malformed"
    )
    say("timestamp", index, judged)
  }
  return verdicts
}
