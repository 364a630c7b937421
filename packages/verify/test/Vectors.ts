/**
 * Reads the test vectors, with the shapes the tests rely on.
 */
import { readFileSync } from "node:fs"

const directory = new URL("vectors/", import.meta.url)

/** The bytes of a vector file. */
export const readVector = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(path, directory)))

const json = (path: string): unknown => JSON.parse(readFileSync(new URL(path, directory), "utf8"))

/** A key of the golden ledger. */
export interface GoldenKey {
  readonly name: string
  readonly type: 1 | 4
  readonly vkey: string
  readonly testSeedHex: string
}

/** The golden ledger, byte-exact. */
export interface GoldenLedger {
  readonly origin: string
  readonly zone: string
  readonly keys: Record<"log" | "clock" | "dpo" | "ops" | "witness", GoldenKey>
  readonly entries: ReadonlyArray<{
    readonly chain: string
    readonly seq: number
    readonly kind: string
    readonly job: string
    readonly prev: string
    readonly objectSHA256: string
    readonly chainHash: string
    readonly text: string
    readonly leafHash: string
  }>
  readonly documentsBase64: Record<string, string>
  readonly checkpoints: ReadonlyArray<{ size: number; rootBase64: string; checkpoint: string; served: string }>
  readonly inclusion: ReadonlyArray<{ index: number; size: number; proof: ReadonlyArray<string> }>
  readonly consistency: ReadonlyArray<{ size1: number; size2: number; proof: ReadonlyArray<string> }>
  readonly level0PartialTileHex: string
  readonly entryBundleBase64: string
}

/** A consistency proof and whether it holds. */
export interface ConsistencyVector {
  readonly size1: number
  readonly size2: number
  readonly root1: string
  readonly root2: string
  readonly proof: ReadonlyArray<string> | null
  readonly desc: string
  readonly wantErr: boolean
}

/** An inclusion proof and whether it holds. */
export interface InclusionVector {
  readonly leafIdx: number
  readonly treeSize: number
  readonly root: string
  readonly leafHash: string
  readonly proof: ReadonlyArray<string> | null
  readonly desc: string
  readonly wantErr: boolean
}

/** Signed notes, good and bad. */
export interface NoteVectors {
  readonly signers: Record<string, string>
  readonly badVkeys: ReadonlyArray<string>
  readonly sigsumCheckpoint: { readonly privateSeedHex: string; readonly note: string }
  readonly cases: ReadonlyArray<{
    readonly desc: string
    readonly note?: string
    readonly noteHex?: string
    readonly vkeys: ReadonlyArray<string>
    readonly wantOk: boolean
    readonly wantVerified?: ReadonlyArray<string> | null
    readonly goError: string | null
  }>
}

/** The golden ledger. */
export const golden = json("ledger/ledger.json") as GoldenLedger
/** Consistency proofs of RFC 6962. */
export const consistencyVectors = json("rfc6962/consistency.json") as ReadonlyArray<ConsistencyVector>
/** Inclusion proofs of RFC 6962. */
export const inclusionVectors = json("rfc6962/inclusion.json") as ReadonlyArray<InclusionVector>
/** Trees with their roots. */
export const treeVectors = json("rfc6962/trees.json") as {
  readonly leafInputsHex: ReadonlyArray<string>
  readonly nodeHashesHex: ReadonlyArray<ReadonlyArray<string>>
}
/** Signed notes. */
export const noteVectors = json("signed-note/notes.json") as NoteVectors
/** Bodies of checkpoints. */
export const checkpointBodies = json("signed-note/checkpoint-bodies.json") as {
  readonly cases: ReadonlyArray<{ readonly body: string; readonly wantErr: boolean; readonly desc: string }>
}
/** The Ed25519 edge cases of the CCTV project. */
export const cctvVectors = json("ed25519/cctv-ed25519vectors.json") as ReadonlyArray<{
  readonly number: number
  readonly key: string
  readonly sig: string
  readonly msg: string
  readonly flags: ReadonlyArray<string> | null
}>
/** The Ed25519 vectors of project Wycheproof. */
export const wycheproof = json("ed25519/wycheproof-ed25519_test.json") as {
  readonly testGroups: ReadonlyArray<{
    readonly publicKey: { readonly pk: string }
    readonly tests: ReadonlyArray<{
      readonly tcId: number
      readonly msg: string
      readonly sig: string
      readonly result: "valid" | "invalid"
    }>
  }>
}
