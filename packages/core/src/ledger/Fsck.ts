/**
 * Checks that SQL, the object store and the signer tell one story: every tile is derived again from the rows and
 * compared, every object, document and key record looked for, and what nobody refers to is named.
 */
import { Context, Effect, Layer } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import { ObjectStore, type StorageError } from "../storage/ObjectStore.ts"
import { FsckFindings, type FsckReport } from "./fsck/FsckReport.ts"
import { orphanDocuments, orphanKeys, orphanObjects, unknownLedgers } from "./fsck/Orphans.ts"
import { checkLedger, type FsckOptions, type LedgerRooms } from "./fsck/Rows.ts"
import { makeKeyChains } from "./KeyChain.ts"
import { LedgerStore } from "./LedgerStore.ts"
import { Signer, type SignerUnavailable } from "./Signer.ts"

type Failure = DatabaseError | StorageError | SignerUnavailable

/** Checks a whole archive. */
export class Fsck extends Context.Service<Fsck, {
  /** Fails only when something cannot be read at all; what is wrong is in the report. */
  readonly run: (options: FsckOptions) => Effect.Effect<FsckReport, Failure>
}>()("@rainlogs/core/Fsck") {
  static readonly layer: Layer.Layer<Fsck, never, LedgerStore | ObjectStore | Signer> = Layer.effect(
    Fsck,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function*() {
  const ledgers = yield* LedgerStore
  const objects = yield* ObjectStore
  const rooms: LedgerRooms = { ledgers, objects, signer: yield* Signer, keyChainOf: makeKeyChains(ledgers, objects) }

  return Fsck.of({
    run: Effect.fn("Fsck.run")(function*(options) {
      const findings = new FsckFindings()
      const count = { entries: 0, tiles: 0, objects: 0, documents: 0, keys: 0 }
      const all = yield* ledgers.ledgers
      const shared = { objects: new Set<number>(), keys: new Set<number>() }
      for (const ledger of all) {
        const referred = { ...shared, documents: new Set<number>() }
        yield* checkLedger(rooms, ledger, options, findings, referred, count)
        yield* orphanDocuments(objects, ledger, referred, findings)
      }
      yield* unknownLedgers(objects, all, findings)
      yield* orphanObjects(objects, shared, findings)
      yield* orphanKeys(objects, shared, findings)
      return { problems: findings.problems, counts: { ledgers: all.length, ...count } }
    })
  })
})
