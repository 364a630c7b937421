/**
 * Rebuilds the database from the archive: the catalog gives customers and zones, the ledger everything that was
 * archived. Nothing is imported from a ledger that does not verify under the signer's own key.
 */
import type { ArchiveReader } from "@rainlogs/verify/ArchiveReader"
import { equal } from "@rainlogs/verify/Bytes"
import { controlChain } from "@rainlogs/verify/Chain"
import type { Entry } from "@rainlogs/verify/Entry"
import { parseGap } from "@rainlogs/verify/Gap"
import * as Hex from "@rainlogs/verify/Hex"
import { parseHold } from "@rainlogs/verify/Hold"
import { eventPath, ledgerPrefix } from "@rainlogs/verify/Layout"
import { ledgersOf, publishedEntries } from "@rainlogs/verify/LedgersOf"
import { leafHash } from "@rainlogs/verify/Merkle"
import { sha256 } from "@rainlogs/verify/node/NativeSha256"
import { parseNote } from "@rainlogs/verify/Note"
import { parseRelease } from "@rainlogs/verify/Release"
import { parseTombstone } from "@rainlogs/verify/Tombstone"
import { Clock, Context, Effect, Layer, Stream } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import { GrowingTree } from "../ledger/GrowingTree.ts"
import { LedgerStore } from "../ledger/LedgerStore.ts"
import { PolicyChanges } from "../ledger/PolicyChanges.ts"
import { Signer, type SignerUnavailable } from "../ledger/Signer.ts"
import type { BeginRooms } from "../lifecycle/ErasureBeginning.ts"
import { resumeErasures } from "../lifecycle/ErasureResumption.ts"
import { ErasureStore } from "../lifecycle/ErasureStore.ts"
import { HoldStore } from "../lifecycle/HoldStore.ts"
import type { KmsError } from "../secrets/Kms.ts"
import { type ObjectMissing, ObjectStore, type StorageError } from "../storage/ObjectStore.ts"
import { Catalog } from "./Catalog.ts"
import type { CustomerRecord } from "./CustomerRecord.ts"
import { CustomerRecords, type LifecycleDocument, type RestoredEntry } from "./CustomerRecords.ts"
import { RebuildRefused } from "./RebuildRefused.ts"
import { type Unauthorised, type VerifiedLedger, verifiedLedger } from "./VerifiedLedger.ts"

/** What was restored. */
export interface Rebuilt {
  readonly customers: number
  readonly zones: number
  readonly entries: number
  /** Customers that the database had already, with all their entries. */
  readonly present: number
  /** Origins of ledgers that the archive has and its catalog does not know: their customers are not restored. */
  readonly unknown: ReadonlyArray<string>
  /** Releases and tombstones that nobody was allowed to write, in the verifier's words: they have no effect. */
  readonly unauthorised: ReadonlyArray<string>
  /** Erasures of which the store has lost a part already: they are executing again, and finish. */
  readonly resumed: ReadonlyArray<string>
  /** Those of them that may not go on now, and why: a person must look. */
  readonly stuck: ReadonlyArray<string>
}

/** How a database is rebuilt. */
export interface RebuildOptions {
  readonly unauthorised: Unauthorised
  /** Is told of entries restored so far, and how many there are in all. */
  readonly onEntries: (done: number, total: number) => void
}

/** Rebuilds a database. */
export class Rebuild extends Context.Service<Rebuild, {
  readonly run: (
    options: RebuildOptions
  ) => Effect.Effect<
    Rebuilt,
    RebuildRefused | DatabaseError | StorageError | KmsError | ObjectMissing | SignerUnavailable
  >
}>()("@rainlogs/core/Rebuild") {
  /** Rebuilds from the archive that `reader` reads. */
  static readonly layer = (
    reader: ArchiveReader
  ): Layer.Layer<
    Rebuild,
    never,
    Catalog | CustomerRecords | ErasureStore | HoldStore | LedgerStore | ObjectStore | PolicyChanges | Signer
  > => Layer.effect(Rebuild, make(reader))
}

const refused = (detail: string) => new RebuildRefused({ detail })
const detailOf = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)

const make = Effect.fnUntraced(function*(reader: ArchiveReader) {
  const catalog = yield* Catalog
  const records = yield* CustomerRecords
  const ledgers = yield* LedgerStore
  const signer = yield* Signer
  const rooms: BeginRooms = {
    ledgers,
    objects: yield* ObjectStore,
    policies: yield* PolicyChanges,
    holds: yield* HoldStore,
    erasures: yield* ErasureStore
  }

  // The archive is read again, and may be another by now: what is restored must give the signed root, and each document
  // the hash in its entry.
  const entriesOf = (
    record: CustomerRecord,
    { root, size, withoutEffect }: VerifiedLedger
  ): Stream.Stream<RestoredEntry, RebuildRefused> => {
    const prefix = ledgerPrefix(record.origin)
    const documentOf = async (hash: string) => {
      const bytes = await reader.read(`${prefix}/${eventPath(hash)}`)
      if (bytes === null) throw new Error(`the document ${hash} is missing`)
      if (Hex.encode(sha256(bytes)) !== hash) throw new Error(`the document ${hash} was changed while it was read`)
      return bytes
    }
    const gapOf = async ({ kind, object }: Entry) => {
      if (kind !== "gap") return null
      const gap = parseGap(Buffer.from(await documentOf(object)).toString("latin1"))
      return gap.chain === controlChain ? null : gap
    }
    const lifecycleOf = async ({ kind, object, seq }: Entry): Promise<LifecycleDocument | null> => {
      if (kind !== "hold" && kind !== "release" && kind !== "tombstone") return null
      if (withoutEffect.has(seq)) return null
      const { text } = parseNote(await documentOf(object))
      if (kind === "hold") return { kind, hold: parseHold(text) }
      return kind === "release" ? { kind, release: parseRelease(text) } : { kind, tombstone: parseTombstone(text) }
    }
    const failed = (cause: unknown) => refused(`the ledger of ${record.origin} cannot be read: ${detailOf(cause)}`)
    const tree = new GrowingTree(0, [], [])
    const sameTree = Effect.suspend(() =>
      size === 0 || equal(tree.root(), root)
        ? Effect.void
        : Effect.fail(
          refused(`the ledger of ${record.origin} was changed while it was read. Restore the archive first`)
        )
    )
    return Stream.fromAsyncIterable(publishedEntries(reader, prefix, size), failed).pipe(
      Stream.tap(({ bytes }) =>
        Effect.sync(() => {
          tree.append(bytes, leafHash(bytes, sha256))
          tree.takeFull()
        })
      ),
      Stream.mapEffect((item) =>
        Effect.tryPromise({
          try: async () => ({ ...item, gap: await gapOf(item.entry), lifecycle: await lifecycleOf(item.entry) }),
          catch: failed
        })
      ),
      Stream.concat(Stream.drain(Stream.fromEffect(sameTree)))
    )
  }

  return Rebuild.of({
    run: Effect.fn("Rebuild.run")(function*({ onEntries, unauthorised }) {
      const all = yield* catalog.records
      if (all.length === 0) {
        return yield* refused("the archive has no catalog: it was written by an earlier version, or is none")
      }
      const known = new Map((yield* ledgers.ledgers).map((ledger) => [ledger.customer, ledger]))
      const stranger = [...known.keys()].find((customer) => all.every(({ id }) => id !== customer))
      if (stranger !== undefined) {
        return yield* refused(
          `the database already has customer ${stranger}, whom this archive does not know: use an empty one`
        )
      }
      const verified = yield* Effect.forEach(
        all,
        (record) =>
          Effect.map(verifiedLedger(reader, signer, record.origin, unauthorised), (ledger) => ({ record, ledger }))
      )
      const total = verified.reduce((sum, { ledger }) => sum + ledger.size, 0)
      const origins = new Set<string>(all.map(({ origin }) => origin))
      const published = yield* Effect.tryPromise({
        try: () => ledgersOf(reader),
        catch: (cause) => refused(`the archive cannot be read: ${detailOf(cause)}`)
      })
      const unknown = published.map(({ origin }) => origin).filter((origin) => !origins.has(origin))
      let [customers, zones, present, done] = [0, 0, 0, 0]
      for (const { ledger, record } of verified) {
        const there = known.get(record.id)
        if (there !== undefined) {
          const snapshot = yield* ledgers.snapshot(there)
          if (snapshot.size < ledger.size) {
            return yield* refused(
              `the database has ${snapshot.size} of ${ledger.size} entries of ${record.origin}: it is another, older one. Use an empty one`
            )
          }
          present += 1
          done += ledger.size
          continue
        }
        const entries = entriesOf(record, ledger).pipe(
          Stream.tap(() =>
            Effect.sync(() => {
              done += 1
              if (done % 500 === 0) onEntries(done, total)
            })
          )
        )
        yield* records.restore(record, entries, yield* Clock.currentTimeMillis)
        customers += 1
        zones += record.zones.length
      }
      const [resumed, stuck]: [Array<string>, Array<string>] = [[], []]
      // Of customers that were there too: the run that restored them may have been killed before this.
      for (const { record } of verified) {
        const found = yield* resumeErasures(rooms, { customer: record.id, origin: record.origin })
        resumed.push(...found.resumed)
        stuck.push(...found.stuck)
      }
      const violations = verified.flatMap(({ ledger }) => ledger.violations)
      return { customers, zones, entries: done, present, unknown, unauthorised: violations, resumed, stuck }
    })
  })
})
