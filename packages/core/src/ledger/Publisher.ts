/**
 * Publishes a ledger: what SQL has appended becomes tiles and entry bundles, then a signed checkpoint (ledger format
 * §4). The order of writes is bundle and tiles → sign → `checkpoint.d/` → `checkpoint`; every step may be repeated, so
 * a crash between any two of them is healed by the next publish. Stored tiles, SQL and signer are compared each time;
 * if they disagree, nothing more is signed for the ledger and archiving goes on.
 */
import { equal } from "@rainlogs/verify/Bytes"
import { parseCheckpoint } from "@rainlogs/verify/Checkpoint"
import { parseEntry } from "@rainlogs/verify/Entry"
import { sha256 } from "@rainlogs/verify/Hash"
import * as Hex from "@rainlogs/verify/Hex"
import { checkpointArchiveKey, checkpointKey, ledgerKey, ledgerPrefix } from "@rainlogs/verify/Layout"
import { parseNote, verifyNote } from "@rainlogs/verify/Note"
import { entriesPath, tilePath } from "@rainlogs/verify/Tile"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Clock, Context, Effect, Layer, Metric, Option, Schema, Stream } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import type { Origin } from "../domain/Customer.ts"
import { ObjectStore, StorageError } from "../storage/ObjectStore.ts"
import { edgeTiles } from "./GrowingTree.ts"
import { continues, logKeyAt, makeKeyChains } from "./KeyChain.ts"
import { genesisDocument } from "./LedgerEvents.ts"
import { type LedgerOf, LedgerStore } from "./LedgerStore.ts"
import { PartialTiles } from "./PartialTiles.ts"
import { Signer, type SignerRefused, type SignerState, type SignerUnavailable } from "./Signer.ts"
import { LedgerMismatch, readConsistencyProof } from "./StoredTiles.ts"
import { makeTreeFiles } from "./TreeFiles.ts"

/** What a publish did. `busy`: another process publishes this ledger now. `halted`: see {@link LedgerStatus}. */
export type Published =
  | { readonly outcome: "published" | "unchanged"; readonly size: number }
  | { readonly outcome: "busy" }
  | { readonly outcome: "halted"; readonly reason: string }

/** How far a ledger is published. */
export interface LedgerStatus {
  /** Entries under the served checkpoint; 0 if there is none, or none that can be read. */
  readonly publishedSize: number
  /** Entries in SQL. */
  readonly sqlSize: number
  /** Why this process signs nothing more for the ledger, or null. A restart, after the cause is mended, tries again. */
  readonly halted: string | null
  /** How long the oldest unpublished entry has been waiting, ms; 0 if there is none. */
  readonly lagMs: number
}

/** Publishes one ledger at a time. */
export class Publisher extends Context.Service<Publisher, {
  /** Publishes all that SQL has now. May be called at any time, by any number of processes. */
  readonly publish: (ledger: LedgerOf) => Effect.Effect<Published, SignerUnavailable | StorageError | DatabaseError>
  readonly status: (ledger: LedgerOf) => Effect.Effect<LedgerStatus, StorageError | DatabaseError>
}>()("@rainlogs/core/Publisher") {}

// Another process lost its database connection, and with it the right to publish, but signed a moment later.
class Overtaken extends Schema.TaggedError<Overtaken>()("Overtaken", { origin: Schema.String }) {}

const halts = Metric.counter("rainlogs_ledger_halts_total", {
  description: "Ledgers for which signing stopped because tiles, SQL and signer disagree",
  incremental: true
})

const make = Effect.gen(function*() {
  const store = yield* LedgerStore
  const objects = yield* ObjectStore
  const signer = yield* Signer
  const files = makeTreeFiles(store, objects)
  const keyChainOf = makeKeyChains(store, objects)
  const halted = new Map<Origin, string>()
  // Per origin, the size that is known to be published whole: its checkpoint was compared, archived and served.
  const settled = new Map<Origin, number>()
  const partials = new Map<Origin, PartialTiles>()

  const readServed = Effect.fnUntraced(function*(origin: Origin) {
    const key = checkpointKey(origin)
    const bytes = yield* objects.getBytes(key).pipe(
      Effect.asSome,
      Effect.catchTag("ObjectMissing", () => Effect.succeedNone)
    )
    if (Option.isNone(bytes)) return null
    return yield* Effect.try({
      try: () => {
        const note = parseNote(bytes.value)
        return { note, checkpoint: parseCheckpoint(note.text) }
      },
      catch: (error) => new StorageError({ operation: "getBytes", key, category: "corrupt", detail: String(error) })
    })
  })

  // sign → checkpoint.d/ → checkpoint. The archived note comes before the served one: whoever has seen a checkpoint
  // finds it archived.
  const serve = Effect.fnUntraced(function*(ledger: LedgerOf, tree: SignerState, proof: ReadonlyArray<Uint8Array>) {
    const { origin } = ledger
    // Read after the rows: every change of keys below this size is in it.
    const log = logKeyAt(yield* keyChainOf(ledger), tree.size)
    const signed = yield* signer.sign({
      origin,
      size: tree.size,
      root: tree.root,
      proof,
      ...log === undefined ? {} : { log }
    })
    yield* objects.putBytes(checkpointArchiveKey(origin, tree.size), signed.immutable).pipe(
      Effect.catchTag("ObjectExists", () => mismatch(origin, `another checkpoint is archived for size ${tree.size}`))
    )
    yield* objects.replace(checkpointKey(origin), signed.served)
  })

  // The first publish of a ledger in this process, and the first after a failure or another process's publish:
  // compares the served checkpoint with the signer and finishes what the last publish may have left undone.
  const settle = Effect.fnUntraced(function*(ledger: LedgerOf, signed: SignerState) {
    const { origin } = ledger
    const served = yield* readServed(origin).pipe(
      Effect.catchIf(
        (error) => error.category === "corrupt",
        ({ detail }) => mismatch(origin, `the served checkpoint is damaged: ${detail}`)
      )
    )
    const keyChain = yield* keyChainOf(ledger)
    const { log: used } = yield* signer.keys(origin)
    if (served !== null) {
      const { checkpoint, note } = served
      const key = parseVerifierKey(logKeyAt(keyChain, checkpoint.size) ?? used)
      const { bad, verified } = verifyNote(note, [key])
      if (bad.length > 0 || verified.length === 0 || checkpoint.origin !== origin) {
        return yield* mismatch(origin, "the served checkpoint is not signed with this signer's key")
      }
      if (checkpoint.size > signed.size) {
        const detail =
          `size ${checkpoint.size} is served but the signer knows only of ${signed.size}: its state was lost`
        return yield* mismatch(origin, detail)
      }
      if (checkpoint.size === signed.size && !equal(checkpoint.root, signed.root)) {
        return yield* mismatch(origin, `the served checkpoint has another root than was signed for size ${signed.size}`)
      }
    }
    if (keyChain.length > 0 && !continues(keyChain, used)) {
      return yield* mismatch(origin, "the chain names other keys than this signer's: its directory is an older one")
    }
    const genesis = keyChain.length > 0 ? Option.none() : yield* store.lastEvent(ledger, "genesis")
    if (
      Option.isSome(genesis) &&
      genesis.value.documentSha256 !== Hex.encode(sha256(yield* genesisDocument(signer, origin)))
    ) {
      return yield* mismatch(origin, "the genesis names other keys than this signer's")
    }
    if (signed.size === 0) return
    const archived = yield* objects.head(checkpointArchiveKey(origin, signed.size)).pipe(
      Effect.as(true),
      Effect.catchTag("ObjectMissing", () => Effect.succeed(false))
    )
    if (!archived || served === null || served.checkpoint.size < signed.size) yield* serve(ledger, signed, [])
  })

  const publishNow = Effect.fnUntraced(function*(ledger: LedgerOf) {
    const { origin } = ledger
    const signed = yield* signer.state(origin)
    const { size } = yield* store.snapshot(ledger)
    if (size < signed.size) {
      return yield* mismatch(origin, `SQL has ${size} entries but ${signed.size} were signed: entries were lost`)
    }
    const isSettled = settled.get(origin) === signed.size
    if (isSettled && size === signed.size) return { outcome: "unchanged", size } as const
    settled.delete(origin)
    const resumed = yield* files.resume(ledger, signed)
    const { tree } = resumed
    if (!isSettled) {
      yield* files.putPartial(ledger, tree)
      yield* settle(ledger, signed)
      yield* findPartials(ledger, signed.size)
    }
    if (size > signed.size) {
      yield* files.grow(ledger, resumed, size)
      yield* files.putPartial(ledger, tree)
      const proof = signed.size === 0 ? [] : yield* readConsistencyProof(objects, origin, signed.size, size).pipe(
        Effect.catchTag("ObjectMissing", ({ key }) => mismatch(origin, `the tile ${key} is missing`))
      )
      yield* serve(ledger, { size, root: tree.root() }, proof).pipe(
        Effect.catchTag(
          "SignerRefused",
          (refused): Effect.Effect<never, SignerRefused | Overtaken> =>
            Effect.fail(refused.lastSize === signed.size ? refused : new Overtaken({ origin }))
        )
      )
    }
    settled.set(origin, size)
    yield* removePartials(ledger, size)
    return { outcome: size === signed.size ? "unchanged" : "published", size } as const
  })

  // Partial tiles of earlier runs at the right edge; when they were last needed is unknown, so their time starts now.
  const findPartials = Effect.fnUntraced(function*(ledger: LedgerOf, size: number) {
    const now = yield* Clock.currentTimeMillis
    const known = partialsOf(ledger.origin)
    const prefix = `${ledgerPrefix(ledger.origin)}/`
    const tiles = edgeTiles(size).flatMap(({ index, level }) =>
      level === 0 ? [tilePath(0, index), entriesPath(index)] : [tilePath(level, index)]
    )
    yield* Effect.forEach(tiles, (path) =>
      objects.list(`${prefix}${path}.p/`).pipe(
        Stream.runForEach(({ key }) => Effect.sync(() => known.found(key.slice(prefix.length), now)))
      ), { discard: true })
  })

  // Housekeeping: what it cannot remove now it removes after a later publish.
  const removePartials = Effect.fnUntraced(function*(ledger: LedgerOf, size: number) {
    const now = yield* Clock.currentTimeMillis
    const known = partialsOf(ledger.origin)
    known.served(size, now)
    yield* Effect.forEach(
      known.expired(now),
      (path) =>
        objects.remove(ledgerKey(ledger.origin, path)).pipe(Effect.andThen(Effect.sync(() => known.removed(path)))),
      {
        discard: true
      }
    ).pipe(Effect.catch((error) => Effect.logWarning("old partial tiles could not be removed", error)))
  })

  const partialsOf = (origin: Origin): PartialTiles => {
    const known = partials.get(origin) ?? new PartialTiles()
    partials.set(origin, known)
    return known
  }

  const halt = Effect.fnUntraced(function*(origin: Origin, reason: string) {
    halted.set(origin, reason)
    yield* Metric.update(halts, 1)
    yield* Effect.logError(`nothing more is signed for ${origin}: ${reason}. Archiving goes on; see the runbook.`)
    return { outcome: "halted", reason } as const
  })

  const publish = Effect.fn("Publisher.publish")(function*(ledger: LedgerOf) {
    const { origin } = ledger
    const reason = halted.get(origin)
    if (reason !== undefined) return { outcome: "halted", reason } as const
    const published = yield* store.exclusively(ledger, publishNow(ledger)).pipe(
      Effect.map(Option.map((done): Published => done)),
      Effect.catchTags({
        LedgerMismatch: ({ detail }) => Effect.asSome(halt(origin, detail)),
        SignerRefused: ({ askedSize, detail, lastSize }) =>
          Effect.asSome(halt(origin, `the signer refused size ${askedSize} after ${lastSize}: ${detail}`)),
        Overtaken: () => Effect.succeedNone
      })
    )
    return Option.getOrElse(published, (): Published => ({ outcome: "busy" }))
  })

  const status = Effect.fn("Publisher.status")(function*(ledger: LedgerOf) {
    // A damaged checkpoint is a state to show, not a reason to show nothing.
    const served = yield* readServed(ledger.origin).pipe(
      Effect.map((found) => ({ size: found?.checkpoint.size ?? 0, damage: null })),
      Effect.catchIf(
        (error) => error.category === "corrupt",
        ({ detail }) => Effect.succeed({ size: 0, damage: `the served checkpoint is damaged: ${detail}` })
      )
    )
    const { size: sqlSize } = yield* store.snapshot(ledger)
    const waiting = served.size < sqlSize
      ? yield* Stream.runHead(store.rows(ledger, served.size, served.size + 1))
      : Option.none()
    const now = yield* Clock.currentTimeMillis
    return {
      publishedSize: served.size,
      sqlSize,
      halted: halted.get(ledger.origin) ?? served.damage,
      lagMs: Option.match(waiting, {
        onNone: () => 0,
        onSome: ({ entry }) => Math.max(0, now - parseEntry(entry).time)
      })
    }
  })

  return Publisher.of({ publish, status })
})

const mismatch = (origin: Origin, detail: string) => Effect.fail(new LedgerMismatch({ origin, detail }))

/** Requires `LedgerStore`, `ObjectStore` and `Signer`. */
export const layer: Layer.Layer<Publisher, never, LedgerStore | ObjectStore | Signer> = Layer.effect(Publisher, make)
