/**
 * Rebuilds the database from the archive: the catalog gives customers and zones, the ledger everything that was
 * archived. Nothing is imported from a ledger that does not verify under the signer's own key.
 */
import type { ArchiveReader } from "@rainlogs/verify/ArchiveReader"
import { controlChain } from "@rainlogs/verify/Chain"
import { parseCheckpoint } from "@rainlogs/verify/Checkpoint"
import type { Entry } from "@rainlogs/verify/Entry"
import { parseGap } from "@rainlogs/verify/Gap"
import { parseHold } from "@rainlogs/verify/Hold"
import { checkpointKey, eventPath, ledgerPrefix } from "@rainlogs/verify/Layout"
import { ledgersOf, publishedEntries } from "@rainlogs/verify/LedgersOf"
import { verify as verifySignature } from "@rainlogs/verify/node/NativeEd25519"
import { sha256 } from "@rainlogs/verify/node/NativeSha256"
import { parseNote } from "@rainlogs/verify/Note"
import { parseRelease } from "@rainlogs/verify/Release"
import { parseTombstone } from "@rainlogs/verify/Tombstone"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { verifyArchive } from "@rainlogs/verify/VerifyArchive"
import { Clock, Context, Effect, Layer, Schema, Stream } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import { LedgerStore } from "../ledger/LedgerStore.ts"
import { Signer, type SignerUnavailable } from "../ledger/Signer.ts"
import type { KmsError } from "../secrets/Kms.ts"
import type { ObjectMissing, StorageError } from "../storage/ObjectStore.ts"
import { Catalog } from "./Catalog.ts"
import type { CustomerRecord } from "./CustomerRecord.ts"
import { CustomerRecords, type LifecycleDocument, type RestoredEntry } from "./CustomerRecords.ts"

/** The database cannot be rebuilt; the message says why and what to do. Customers that were restored before are whole. */
export class RebuildRefused extends Schema.TaggedError<RebuildRefused>()("RebuildRefused", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

/** What was restored. */
export interface Rebuilt {
  readonly customers: number
  readonly zones: number
  readonly entries: number
  /** Customers that the database had already, with all their entries. */
  readonly present: number
  /** Origins of ledgers that the archive has and its catalog does not know: their customers are not restored. */
  readonly unknown: ReadonlyArray<string>
}

/** Rebuilds a database. */
export class Rebuild extends Context.Service<Rebuild, {
  /** `onEntries` is told of entries restored so far, and how many there are in all. */
  readonly run: (
    onEntries: (done: number, total: number) => void
  ) => Effect.Effect<
    Rebuilt,
    RebuildRefused | DatabaseError | StorageError | KmsError | ObjectMissing | SignerUnavailable
  >
}>()("@rainlogs/core/Rebuild") {
  /** Rebuilds from the archive that `reader` reads. */
  static readonly layer = (
    reader: ArchiveReader
  ): Layer.Layer<Rebuild, never, Catalog | CustomerRecords | LedgerStore | Signer> =>
    Layer.effect(Rebuild, make(reader))
}

const refused = (detail: string) => new RebuildRefused({ detail })
const detailOf = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)

const make = Effect.fnUntraced(function*(reader: ArchiveReader) {
  const catalog = yield* Catalog
  const records = yield* CustomerRecords
  const ledgers = yield* LedgerStore
  const signer = yield* Signer

  // What readers have seen. A signer that knows less would sign another history over it.
  const servedSize = Effect.fnUntraced(function*(origin: string) {
    const key = checkpointKey(origin)
    return yield* Effect.tryPromise({
      try: async () => {
        const bytes = await reader.read(key)
        return bytes === null ? 0 : parseCheckpoint(parseNote(bytes).text).size
      },
      catch: (cause) => refused(`the checkpoint ${key} cannot be read: ${detailOf(cause)}. Restore the archive first`)
    })
  })

  // Objects are not read: what is checked is that every entry is one that the log signed.
  const verified = Effect.fnUntraced(function*(record: CustomerRecord) {
    const { log } = yield* signer.keys(record.origin)
    const { size } = yield* signer.state(record.origin)
    const served = yield* servedSize(record.origin)
    if (served > size) {
      return yield* refused(
        `the archive shows ${served} entries of ${record.origin}, but the signer knows of ${size}: it is an older one, ` +
          "or another's. Restore the newest signer directory first"
      )
    }
    if (size === 0) return 0
    const report = yield* Effect.tryPromise({
      try: () => verifyArchive(reader, { keys: [parseVerifierKey(log)], scope: "no-objects", sha256, verifySignature }),
      catch: (cause) => refused(`the ledger of ${record.origin} cannot be read: ${detailOf(cause)}`)
    })
    const found = report.findings.find(({ question, severity }) =>
      question === "integrity" && (severity === "fail" || severity === "malformed")
    )
    if (found !== undefined) {
      const where = found.key === undefined ? "" : ` (${found.key})`
      return yield* refused(
        `the ledger of ${record.origin} does not verify: ${found.code}, ${found.detail}${where}. Restore the archive first`
      )
    }
    if (report.counts.entries < size) {
      return yield* refused(
        `the archive shows ${report.counts.entries} entries of ${record.origin}, but ${size} were signed. Restore the archive first`
      )
    }
    return size
  })

  const entriesOf = (record: CustomerRecord, size: number): Stream.Stream<RestoredEntry, RebuildRefused> => {
    const prefix = ledgerPrefix(record.origin)
    const documentOf = async (hash: string) => {
      const bytes = await reader.read(`${prefix}/${eventPath(hash)}`)
      if (bytes === null) throw new Error(`the document ${hash} is missing`)
      return bytes
    }
    const gapOf = async ({ kind, object }: Entry) => {
      if (kind !== "gap") return null
      const gap = parseGap(Buffer.from(await documentOf(object)).toString("latin1"))
      return gap.chain === controlChain ? null : gap
    }
    const lifecycleOf = async ({ kind, object }: Entry): Promise<LifecycleDocument | null> => {
      if (kind !== "hold" && kind !== "release" && kind !== "tombstone") return null
      const { text } = parseNote(await documentOf(object))
      if (kind === "hold") return { kind, hold: parseHold(text) }
      return kind === "release" ? { kind, release: parseRelease(text) } : { kind, tombstone: parseTombstone(text) }
    }
    const failed = (cause: unknown) => refused(`the ledger of ${record.origin} cannot be read: ${detailOf(cause)}`)
    return Stream.fromAsyncIterable(publishedEntries(reader, prefix, size), failed).pipe(
      Stream.mapEffect((item) =>
        Effect.tryPromise({
          try: async () => ({ ...item, gap: await gapOf(item.entry), lifecycle: await lifecycleOf(item.entry) }),
          catch: failed
        })
      )
    )
  }

  return Rebuild.of({
    run: Effect.fn("Rebuild.run")(function*(onEntries) {
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
      const sizes = new Map<string, number>()
      for (const record of all) sizes.set(record.id, yield* verified(record))
      const total = [...sizes.values()].reduce((sum, size) => sum + size, 0)
      const origins = new Set<string>(all.map(({ origin }) => origin))
      const published = yield* Effect.tryPromise({
        try: () => ledgersOf(reader),
        catch: (cause) => refused(`the archive cannot be read: ${detailOf(cause)}`)
      })
      const unknown = published.map(({ origin }) => origin).filter((origin) => !origins.has(origin))
      let [customers, zones, present, done] = [0, 0, 0, 0]
      for (const record of all) {
        const size = sizes.get(record.id) ?? 0
        const ledger = known.get(record.id)
        if (ledger !== undefined) {
          const snapshot = yield* ledgers.snapshot(ledger)
          if (snapshot.size < size) {
            return yield* refused(
              `the database has ${snapshot.size} of ${size} entries of ${record.origin}: it is another, older one. Use an empty one`
            )
          }
          present += 1
          done += size
          continue
        }
        const entries = entriesOf(record, size).pipe(
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
      return { customers, zones, entries: done, present, unknown }
    })
  })
})
