/**
 * Judges what the hammer left: SQL, bucket and signer by `fsck`, the archive by the public verifier, every
 * acknowledgment by the ledger, and every checkpoint that anybody could have seen by a consistency proof to the last.
 */
import { Fsck } from "@rainlogs/core/ledger/Fsck"
import { type LedgerOf, LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import { Signer } from "@rainlogs/core/ledger/Signer"
import * as SignerLocal from "@rainlogs/core/ledger/SignerLocal"
import * as ObjectStoreFileSystem from "@rainlogs/core/storage/ObjectStoreFileSystem"
import { parseCheckpoint } from "@rainlogs/verify/Checkpoint"
import { parseEntry } from "@rainlogs/verify/Entry"
import * as Hex from "@rainlogs/verify/Hex"
import { ledgerKey } from "@rainlogs/verify/Layout"
import { CompactRange, consistencyProof, leafHash, verifyConsistency } from "@rainlogs/verify/Merkle"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { parseNote, verifyNote } from "@rainlogs/verify/Note"
import { parseVerifierKey, type VerifierKey } from "@rainlogs/verify/VerifierKey"
import { verifyArchive } from "@rainlogs/verify/VerifyArchive"
import { Effect, Layer, Stream } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { acknowledgedFile, signedFile } from "./HammerOptions.ts"

/** What is judged. */
export interface Evidence {
  readonly directory: string
  readonly ledger: LedgerOf
  readonly zone: string
  /** Notes that were served, in their order. */
  readonly served: ReadonlyArray<string>
}

/** The judgement; `broken` says everything that is wrong. */
export interface Judgement {
  readonly entries: number
  readonly objectEntries: number
  readonly acknowledged: number
  readonly checkpointsSigned: number
  readonly checkpointsServed: number
  readonly integrity: string
  readonly completeness: string
  readonly damage: number
  /** Leftovers of interrupted steps that fsck names, by code. */
  readonly leftovers: { readonly [code: string]: number }
  readonly broken: ReadonlyArray<string>
}

const linesOf = (path: string): ReadonlyArray<string> => readFileSync(path, "utf8").split("\n").filter(Boolean)

// The final tree, from the leaves: complete subtrees by their place, and the root.
const treeOf = (leaves: ReadonlyArray<Uint8Array>) => {
  const nodes = new Map<string, Uint8Array>()
  const tree = CompactRange.empty()
  for (const leaf of leaves) {
    tree.append(leafHash(leaf), (level, index, hash) => nodes.set(`${level}/${index}`, hash))
  }
  return {
    root: tree.root(),
    node: (level: number, index: number) => nodes.get(`${level}/${index}`) ?? new Uint8Array(0)
  }
}

// Every note must be the log's own and show a beginning of the final tree.
const judgeNotes = async (notes: ReadonlyArray<string>, key: VerifierKey, leaves: ReadonlyArray<Uint8Array>) => {
  const broken: Array<string> = []
  const roots = new Map<number, string>()
  const final = treeOf(leaves)
  for (const text of new Set(notes)) {
    const note = parseNote(new Uint8Array(Buffer.from(text, "latin1")))
    const { root, size } = parseCheckpoint(note.text)
    if (verifyNote(note, [key]).verified.length === 0) {
      broken.push(`a checkpoint of size ${size} is not signed by the log`)
    }
    const known = roots.get(size)
    if (known !== undefined) {
      if (known !== Hex.encode(root)) broken.push(`FORK: two checkpoints of size ${size}`)
      continue
    }
    roots.set(size, Hex.encode(root))
    if (size > leaves.length) {
      broken.push(`FORK: a checkpoint of size ${size}, but the ledger has ${leaves.length} entries`)
      continue
    }
    const proof = await consistencyProof(final.node, size, leaves.length)
    if (!verifyConsistency({ size1: size, root1: root, size2: leaves.length, root2: final.root, proof })) {
      broken.push(`FORK: the checkpoint of size ${size} is no beginning of the final tree`)
    }
  }
  return broken
}

const judgeAcknowledged = (acknowledged: ReadonlyArray<string>, jobs: ReadonlyArray<string>): ReadonlyArray<string> => {
  const counts = new Map<string, number>()
  for (const job of jobs) counts.set(job, (counts.get(job) ?? 0) + 1)
  return [
    ...[...counts].filter(([, count]) => count !== 1).map(([job, count]) => `job ${job} has ${count} entries`),
    ...acknowledged.filter((job) => !counts.has(job)).map((job) => `job ${job} was acknowledged and has no entry`),
    ...acknowledged.length === new Set(acknowledged).size ? [] : ["a job was acknowledged to two workers"]
  ]
}

/** Judges the evidence. */
export const judge = Effect.fnUntraced(function*({ directory, ledger, served }: Evidence) {
  const archive = join(directory, "archive")
  const rows = yield* LedgerStore.use((store) => Stream.runCollect(store.rows(ledger, 0, Number.MAX_SAFE_INTEGER)))
  const leaves = rows.map(({ entry }) => entry)
  const objects = leaves.map(parseEntry).filter(({ kind }) => kind === "object")
  const { report: fsck, vkey } = yield* Effect.gen(function*() {
    const report = yield* Fsck.use((fsck) => fsck.run({ depth: "deep" }))
    return { report, vkey: (yield* Signer.use((signer) => signer.keys(ledger.origin))).log }
  }).pipe(
    Effect.provide(
      Fsck.layer.pipe(
        Layer.provideMerge(
          Layer.merge(
            ObjectStoreFileSystem.layer(archive),
            SignerLocal.layer({ directory: join(directory, "signer") })
          )
        )
      )
    )
  )
  const key = parseVerifierKey(vkey)
  const report = yield* Effect.promise(async () => verifyArchive(await openDirectory(archive), { keys: [key] }))
  const kept = join(archive, ledgerKey(ledger.origin, "checkpoint.d"))
  const archived = readdirSync(kept).map((name) => readFileSync(join(kept, name), "latin1"))
  const signed = linesOf(join(directory, signedFile)).map((line): string => JSON.parse(line))
  const acknowledged = linesOf(join(directory, acknowledgedFile))
  const sizes = served.map((text) => parseCheckpoint(parseNote(new Uint8Array(Buffer.from(text, "latin1"))).text).size)
  const damage = fsck.problems.filter(({ severity }) => severity === "damage")
  const leftovers: { [code: string]: number } = {}
  for (const { code, severity } of fsck.problems) {
    if (severity === "leftover") leftovers[code] = (leftovers[code] ?? 0) + 1
  }
  const judgement: Judgement = {
    entries: leaves.length,
    objectEntries: objects.length,
    acknowledged: acknowledged.length,
    checkpointsSigned: new Set(signed).size,
    checkpointsServed: served.length,
    integrity: report.verdict.integrity,
    completeness: report.verdict.completeness,
    damage: damage.length,
    leftovers,
    broken: [
      ...yield* Effect.promise(() => judgeNotes([...signed, ...served, ...archived], key, leaves)),
      ...sizes.every((size, at) => at === 0 || size >= sizes[at - 1]!) ? [] : ["the served checkpoint went back"],
      ...sizes.at(-1) === leaves.length ? [] : [`${sizes.at(-1)} of ${leaves.length} entries are published`],
      ...judgeAcknowledged(acknowledged, objects.map(({ job }) => job)),
      ...damage.map(({ code, detail, key }) => `fsck: ${code} ${detail} ${key}`),
      ...report.verdict.integrity === "PASS" && report.verdict.completeness === "PASS"
        ? []
        : [`the verifier says ${JSON.stringify(report.verdict)}: ${JSON.stringify(report.findings.slice(0, 5))}`]
    ]
  }
  return judgement
})
