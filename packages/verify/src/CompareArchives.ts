/**
 * Compares two copies of one ledger (ledger format §8): do the heads that the log signed in the one and in the other
 * belong to one history? If not, the outcome holds a portable proof.
 */
import type { ArchiveReader } from "./ArchiveReader.ts"
import * as Bytes from "./Bytes.ts"
import { type Verify, verify } from "./Ed25519.ts"
import type { EquivocationProof } from "./EquivocationProof.ts"
import { checkpointKey } from "./Layout.ts"
import { consistencyProof, subtreeRoot, verifyConsistency } from "./Merkle.ts"
import type { ReadNode } from "./MerkleProof.ts"
import { printNote } from "./Note.ts"
import type { Finding } from "./Report.ts"
import { TileMissingError, tileNodes } from "./TileNodes.ts"
import {
  headsBySize,
  largestSize,
  readArchivedHeads,
  readServedHead,
  type SignedHead
} from "./verification/CheckpointNotes.ts"
import { Findings } from "./verification/Findings.ts"
import { listLedgerFiles } from "./verification/LedgerFiles.ts"
import { LogKeys } from "./verification/LogKeys.ts"
import type { VerifierKey } from "./VerifierKey.ts"

/** What a comparison came to. */
export interface Comparison {
  readonly origin: string
  /** Largest signed size in each copy; 0 when it holds no valid head. */
  readonly sizes: readonly [number, number]
  /** Pairs of heads that were shown to belong to one history. */
  readonly consistent: number
  readonly verdict: "consistent" | "equivocation" | "inconclusive"
  /** Present for an equivocation. */
  readonly proof: EquivocationProof | null
  /** The two files whose heads contradict each other. */
  readonly contradiction: readonly [string, string] | null
  /** What was wrong with heads on either side, or why nothing was concluded. */
  readonly findings: ReadonlyArray<Finding>
}

interface Copy {
  readonly reader: ArchiveReader
  readonly heads: ReadonlyArray<SignedHead>
  readonly size: number
}

const openCopy = async (
  reader: ArchiveReader,
  logKey: VerifierKey,
  findings: Findings,
  verifySignature: Verify
): Promise<Copy> => {
  const files = await listLedgerFiles(reader, logKey.name)
  const logKeys = new LogKeys(logKey, verifySignature)
  const learnKeys = async () => {
    for (const [hash, size] of files.documents) {
      const bytes = size > 65_536 ? null : await reader.read(`${files.prefix}/event/${hash}`)
      if (bytes !== null) logKeys.learn(bytes)
    }
  }
  const source = { reader, files, logKeys, learnKeys, findings, verifySignature }
  const served = await readServedHead(await reader.read(checkpointKey(logKey.name)), source)
  const heads = headsBySize(served, await readArchivedHeads(source))
  const sorted = [...heads].sort(([left], [right]) => left - right).flatMap(([, ofSize]) => ofSize)
  return { reader, heads: sorted, size: largestSize(heads) }
}

const noteBytes = (head: SignedHead): Uint8Array => printNote(head.note)

// The root that the tree of `larger` has at `size`, from its tiles; undefined when they do not lead to its signed root.
const rootWithin = async (read: ReadNode, size: number, larger: SignedHead) => {
  const { checkpoint } = larger
  const root = await subtreeRoot(read, size)
  const proof = await consistencyProof(read, size, checkpoint.size)
  const claim = { size1: size, size2: checkpoint.size, root1: root, root2: checkpoint.root, proof }
  return verifyConsistency(claim) ? { root, proof } : undefined
}

/** Compares the ledger of the log's key in two archives. Rejects only when storage cannot be read. */
export const compareArchives = async (
  readers: readonly [ArchiveReader, ArchiveReader],
  options: { readonly logKey: VerifierKey; readonly verifySignature?: Verify }
): Promise<Comparison> => {
  const { logKey, verifySignature = verify } = options
  const findings = new Findings()
  const left = await openCopy(readers[0], logKey, findings, verifySignature)
  const right = await openCopy(readers[1], logKey, findings, verifySignature)
  const common = { origin: logKey.name, sizes: [left.size, right.size] as const }
  const end = (
    verdict: Comparison["verdict"],
    consistent: number,
    proof: EquivocationProof | null = null,
    contradiction: Comparison["contradiction"] = null
  ): Comparison => ({ ...common, verdict, consistent, proof, contradiction, findings: findings.sorted() })
  if (left.size === 0 || right.size === 0) {
    findings.add({
      code: "NOTHING_VERIFIED",
      severity: "inconclusive",
      detail: "one of the copies holds no signed head"
    })
    return end("inconclusive", 0)
  }
  // The copy with the larger tree must contain every head of both.
  const larger = left.size >= right.size ? left : right
  const top = larger.heads.findLast(({ checkpoint }) => checkpoint.size === larger.size)
  let consistent = 0
  for (const copy of [left, right]) {
    for (const head of copy.heads) {
      if (top === undefined || head === top || head.checkpoint.size === 0) continue
      const name = (of: SignedHead, side: Copy) => `${side === left ? "A" : "B"} ${of.key}`
      const names = [name(head, copy), name(top, larger)] as const
      if (head.checkpoint.size === top.checkpoint.size) {
        if (Bytes.equal(head.checkpoint.root, top.checkpoint.root)) consistent += 1
        else {return end(
            "equivocation",
            consistent,
            { first: noteBytes(head), second: noteBytes(top), prefix: null },
            names
          )}
        continue
      }
      const within = await contains(larger, head, top, findings)
      if (within === null) return end("inconclusive", consistent)
      if (!Bytes.equal(within.root, head.checkpoint.root)) {
        return end(
          "equivocation",
          consistent,
          { first: noteBytes(head), second: noteBytes(top), prefix: within },
          names
        )
      }
      consistent += 1
    }
  }
  return end(findings.passes("integrity") ? "consistent" : "inconclusive", consistent)
}

const contains = async (larger: Copy, head: SignedHead, top: SignedHead, findings: Findings) => {
  const { origin, size } = top.checkpoint
  try {
    const within = await rootWithin(tileNodes(larger.reader, origin, size), head.checkpoint.size, top)
    if (within !== undefined) return within
    const detail = "the tiles of the larger copy do not lead to its own signed root; verify that copy first"
    findings.add({ code: "TILE_MISMATCH", severity: "inconclusive", detail, key: top.key })
  } catch (error) {
    if (!(error instanceof TileMissingError)) throw error
    findings.add({ code: "TILE_MISSING", severity: "inconclusive", detail: error.message, key: top.key })
  }
  return null
}
