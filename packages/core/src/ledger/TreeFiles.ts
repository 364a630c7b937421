/**
 * Carries SQL rows into tiles and entry bundles. Rows are streamed and files written as they fill, so memory does not
 * grow with the number of rows to catch up.
 */
import { equal } from "@rainlogs/verify/Bytes"
import { ledgerKey } from "@rainlogs/verify/Layout"
import { tileWidth } from "@rainlogs/verify/Tile"
import { Effect, Stream } from "effect"
import type { ObjectStore } from "../storage/ObjectStore.ts"
import { GrowingTree, type TileFile } from "./GrowingTree.ts"
import type { LedgerOf, LedgerRow, LedgerStore } from "./LedgerStore.ts"
import { placeProblem, RowCheck } from "./RowCheck.ts"
import type { SignerState } from "./Signer.ts"
import { LedgerMismatch, readEdge, readTile } from "./StoredTiles.ts"

// Rows held at once, besides a partial bundle, and files written at once.
const batchRows = 512
const concurrentWrites = 4

/** The signed tree, and the check that the rows appended to it must pass. */
export interface ResumedTree {
  readonly tree: GrowingTree
  readonly check: RowCheck
}

const emptyTree = ({ origin }: LedgerOf): ResumedTree => ({
  tree: new GrowingTree(0, [], []),
  check: new RowCheck(origin, 0)
})

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
  const grow = Effect.fn("TreeFiles.grow")(function*(ledger: LedgerOf, { check, tree }: ResumedTree, to: number) {
    if (tree.size === to) return
    yield* store.rows(ledger, tree.size, to).pipe(
      Stream.grouped(batchRows),
      Stream.runForEach((rows) =>
        Effect.gen(function*() {
          yield* checkRows(ledger, check, rows)
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
    const resumed = emptyTree(ledger)
    yield* grow(ledger, resumed, signed.size)
    yield* putPartial(ledger, resumed.tree)
    return resumed
  })

  const readBack = Effect.fn("TreeFiles.readBack")(function*(ledger: LedgerOf, signed: SignerState) {
    const { origin } = ledger
    const { size } = signed
    const edge = yield* readEdge(objects, origin, size)
    const last = Math.floor((size - 1) / tileWidth)
    const hashes = size % tileWidth === 0 ? yield* readTile(objects, origin, 0, last, tileWidth) : edge[0] ?? []
    const rows = yield* Stream.runCollect(store.rows(ledger, last * tileWidth, size))
    const misplaced = rows.map((row, at) => placeProblem(row, last * tileWidth + at)).find((found) => found !== null)
    if (misplaced !== undefined) return yield* mismatch(ledger, misplaced)
    const differing = hashes.findIndex((hash, i) => !equal(hash, rows[i]?.leafHash ?? new Uint8Array(0)))
    if (rows.length !== hashes.length || differing >= 0) {
      const index = last * tileWidth + (differing >= 0 ? differing : Math.min(rows.length, hashes.length))
      return yield* mismatch(ledger, `entry ${index} in SQL is not the one in the stored tiles`)
    }
    // What was signed is known to be what is stored; its ends are what the next rows must continue.
    const check = new RowCheck(origin, last * tileWidth)
    yield* checkRows(ledger, check, rows)
    const tree = new GrowingTree(size, edge, size % tileWidth === 0 ? [] : rows.map(({ entry }) => entry))
    return { tree, check }
  })

  /** The signed tree, from the stored tiles at its right edge and the rows under them; its root is the signer's. */
  const resume = Effect.fn("TreeFiles.resume")(function*(ledger: LedgerOf, signed: SignerState) {
    const resumed = signed.size === 0
      ? emptyTree(ledger)
      : yield* readBack(ledger, signed).pipe(Effect.catchTag("ObjectMissing", () => rebuild(ledger, signed)))
    if (!equal(resumed.tree.root(), signed.root)) {
      return yield* mismatch(ledger, `the stored tiles do not have the root that was signed for size ${signed.size}`)
    }
    return resumed
  })

  return { grow, putPartial, resume }
}

const mismatch = (ledger: LedgerOf, detail: string) =>
  Effect.fail(new LedgerMismatch({ origin: ledger.origin, detail }))

// Isolation and integrity before anything is written or signed.
const checkRows = (ledger: LedgerOf, check: RowCheck, rows: ReadonlyArray<LedgerRow>) => {
  for (const row of rows) {
    const found = check.problem(row)
    if (found !== null) return mismatch(ledger, found)
  }
  return Effect.void
}
