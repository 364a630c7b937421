/**
 * Carries SQL rows into tiles and entry bundles. Rows are streamed and files written as they fill, so memory does not
 * grow with the number of rows to catch up.
 */
import { encode } from "@rainlogs/verify/Ascii"
import { equal, hasPrefix } from "@rainlogs/verify/Bytes"
import { ledgerKey } from "@rainlogs/verify/Layout"
import { leafHash } from "@rainlogs/verify/Merkle"
import { tileWidth } from "@rainlogs/verify/Tile"
import { Effect, Stream } from "effect"
import type { ObjectStore } from "../storage/ObjectStore.ts"
import { GrowingTree, type TileFile } from "./GrowingTree.ts"
import type { LedgerOf, LedgerRow, LedgerStore } from "./LedgerStore.ts"
import type { SignerState } from "./Signer.ts"
import { LedgerMismatch, readEdge, readTile } from "./StoredTiles.ts"

// Rows held at once, besides a partial bundle, and files written at once.
const batchRows = 512
const concurrentWrites = 4

/** The steps of publishing that read rows and write tiles. */
export const makeTreeFiles = (store: LedgerStore["Service"], objects: ObjectStore["Service"]) => {
  const put = (ledger: LedgerOf, files: ReadonlyArray<TileFile>) =>
    Effect.forEach(files, ({ bytes, path }) =>
      objects.putBytes(ledgerKey(ledger.origin, path), bytes).pipe(
        Effect.catchTag("ObjectExists", () =>
          mismatch(ledger, `the stored ${path} has other bytes than the rows in SQL make`))
      ), { concurrency: concurrentWrites, discard: true })

  const putPartial = (ledger: LedgerOf, tree: GrowingTree) => put(ledger, tree.partial())

  /** Appends the rows up to `to` to the tree and stores every tile and bundle that fills up. */
  const grow = Effect.fn("TreeFiles.grow")(function*(ledger: LedgerOf, tree: GrowingTree, to: number) {
    if (tree.size === to) return
    yield* store.rows(ledger, tree.size, to).pipe(
      Stream.grouped(batchRows),
      Stream.runForEach((rows) =>
        Effect.gen(function*() {
          yield* checkRows(ledger, tree.size, rows)
          for (const row of rows) tree.append(row.entry, row.leafHash)
          yield* put(ledger, tree.takeFull())
        })
      )
    )
    if (tree.size !== to) return yield* mismatch(ledger, `SQL gave rows up to ${tree.size} of ${to}`)
  })

  // The stored tiles lag behind the signer: make them from SQL again. What is stored already must be the same.
  const rebuild = Effect.fn("TreeFiles.rebuild")(function*(ledger: LedgerOf, signed: SignerState) {
    yield* Effect.logWarning(`tiles of ${ledger.origin} are missing; writing those of ${signed.size} entries from SQL`)
    const tree = new GrowingTree(0, [], [])
    yield* grow(ledger, tree, signed.size)
    yield* putPartial(ledger, tree)
    return tree
  })

  const readBack = Effect.fn("TreeFiles.readBack")(function*(ledger: LedgerOf, signed: SignerState) {
    const { origin } = ledger
    const { size } = signed
    const edge = yield* readEdge(objects, origin, size)
    const last = Math.floor((size - 1) / tileWidth)
    const hashes = size % tileWidth === 0 ? yield* readTile(objects, origin, 0, last, tileWidth) : edge[0] ?? []
    const rows = yield* Stream.runCollect(store.rows(ledger, last * tileWidth, size))
    yield* checkRows(ledger, last * tileWidth, rows)
    const differing = hashes.findIndex((hash, i) => !equal(hash, rows[i]?.leafHash ?? new Uint8Array(0)))
    if (rows.length !== hashes.length || differing >= 0) {
      const index = last * tileWidth + (differing >= 0 ? differing : Math.min(rows.length, hashes.length))
      return yield* mismatch(ledger, `entry ${index} in SQL is not the one in the stored tiles`)
    }
    return new GrowingTree(size, edge, size % tileWidth === 0 ? [] : rows.map(({ entry }) => entry))
  })

  /** The signed tree, from the stored tiles at its right edge and the rows under them; its root is the signer's. */
  const resume = Effect.fn("TreeFiles.resume")(function*(ledger: LedgerOf, signed: SignerState) {
    const tree = signed.size === 0
      ? new GrowingTree(0, [], [])
      : yield* readBack(ledger, signed).pipe(Effect.catchTag("ObjectMissing", () => rebuild(ledger, signed)))
    if (!equal(tree.root(), signed.root)) {
      return yield* mismatch(ledger, `the stored tiles do not have the root that was signed for size ${signed.size}`)
    }
    return tree
  })

  return { grow, putPartial, resume }
}

const mismatch = (ledger: LedgerOf, detail: string) =>
  Effect.fail(new LedgerMismatch({ origin: ledger.origin, detail }))

// Isolation and integrity before anything is written: the right entries, of this ledger, in order, with their hashes.
const checkRows = (ledger: LedgerOf, from: number, rows: ReadonlyArray<LedgerRow>) => {
  const start = encode(`rainlogs-entry/v1\norigin ${ledger.origin}\n`)
  const problem = (row: LedgerRow, index: number): string | null => {
    if (row.leafIndex !== index) return `SQL gave row ${row.leafIndex} where ${index} was expected`
    if (!hasPrefix(row.entry, start)) return `entry ${index} in SQL is not an entry of this ledger`
    return equal(leafHash(row.entry), row.leafHash)
      ? null
      : `the leaf hash of entry ${index} in SQL is not that of its text`
  }
  for (const [offset, row] of rows.entries()) {
    const found = problem(row, from + offset)
    if (found !== null) return mismatch(ledger, found)
  }
  return Effect.void
}
