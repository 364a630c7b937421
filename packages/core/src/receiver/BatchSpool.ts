/**
 * The spool of pushed batches: one file for each, durable before its receipt is confirmed. The receiver's clock never
 * goes back, and a window that is being collected is closed for good, so every batch belongs to exactly one window.
 *
 * It needs nothing but its directory: not the database, not the object store.
 */
import { Clock, Context, Effect, Layer, Schema, Semaphore, Stream } from "effect"
import { randomUUID } from "node:crypto"
import { createReadStream, renameSync } from "node:fs"
import { mkdir, open, readdir, readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import { createGunzip } from "node:zlib"
import { LineFrames } from "../archive/LineFrames.ts"
import { SourceId } from "../domain/Identifier.ts"
import type { Window } from "../domain/Window.ts"
import * as DurableFile from "../storage/DurableFile.ts"
import { fileCall } from "../storage/FileFailure.ts"
import type { StorageError } from "../storage/ObjectStore.ts"
import { temporaryName } from "../storage/TemporaryFiles.ts"
import { BatchCheck, isDestinationCheck } from "./BatchCheck.ts"
import { type BatchFile, nameOf, parseName } from "./BatchFile.ts"
import { type BatchLimits, BatchRefused, defaultBatchLimits } from "./BatchLimits.ts"
import { DirectorySync } from "./DirectorySync.ts"
import { frameOf, linesOf } from "./FrameLines.ts"
import { holds, lineHash, packHashes } from "./LineHashes.ts"

/** Where batches lie, and what is accepted. */
export interface BatchSpoolOptions {
  readonly directory: string
  readonly limits?: BatchLimits
  /** Makes renames in a directory durable; fsync of the directory when left out. */
  readonly fsync?: (directory: string) => Promise<void>
}

/** What became of a batch. */
export type Receipt = "stored" | "repeated" | "destination-check" | "empty"

/** A batch is remembered for this long after it was received, ms: one that is sent again is not stored again. */
export const rememberedMs = 3 * 86_400_000

/**
 * A batch of which the sender may not know that it is stored, because the process ended or the connection broke: its
 * lines are remembered for this long, ms. Cloudflare gives up a job after 24 h without success.
 */
export const doubtfulMs = 48 * 3_600_000

/** Batches received this shortly before the process ended may not have been confirmed, ms (Cloudflare waits 2 min). */
const unconfirmedMs = 300_000

/** How often the spool notes that it lives, ms: an outage is known to this. */
const aliveEveryMs = 5_000

const State = Schema.fromJsonString(Schema.Struct({
  version: Schema.Literal(1),
  /** Names the spool; no other has its batches. */
  identity: Schema.String,
  /** When the spool was last known to receive, Unix ms. */
  alive: Schema.Int,
  /** Windows of a source that ended before this are closed, Unix ms. */
  floors: Schema.Record(Schema.String, Schema.Int),
  /** Times in which nothing was received because nobody listened, until they are in the ledger. */
  outages: Schema.Array(Schema.Struct({ source: SourceId, from: Schema.Int, to: Schema.Int }))
}))
type State = typeof State.Type

/** An outage that is to be declared. */
export type Outage = State["outages"][number]

/** The spool. */
export class BatchSpool extends Context.Service<BatchSpool, {
  /** Names the spool: a UUID that stays with its directory. */
  readonly identity: string
  /**
   * Takes a batch of a source: it is on the disk when this succeeds. A batch whose content is stored already is not
   * stored again. Fails with `BatchRefused`, or with `StorageError` (category `full` when the disk is), and keeps nothing.
   */
  readonly receive: <E>(
    source: SourceId,
    body: Stream.Stream<Uint8Array, E>
  ) => Effect.Effect<Receipt, E | BatchRefused | StorageError>
  /** Closes a window of a source for good and lists its batches, oldest first. */
  readonly close: (source: SourceId, window: Window) => Effect.Effect<ReadonlyArray<BatchFile>, StorageError>
  /**
   * The content of a batch in frames of whole lines, decompressed, without the lines that a doubtful batch before it
   * holds; a last line without LF gets one.
   */
  readonly content: (source: SourceId, batch: BatchFile) => Stream.Stream<Buffer, StorageError>
  /** All batches of a source, oldest first. */
  readonly batches: (source: SourceId) => Effect.Effect<ReadonlyArray<BatchFile>, StorageError>
  /** Removes batches whose windows are committed; they stay remembered. */
  readonly remove: (source: SourceId, batches: ReadonlyArray<BatchFile>) => Effect.Effect<void, StorageError>
  /** The sources that have a directory here. */
  readonly sources: Effect.Effect<ReadonlyArray<SourceId>, StorageError>
  /** Outages that are not in the ledger yet. */
  readonly outages: Effect.Effect<ReadonlyArray<Outage>>
  /** An outage is in the ledger. */
  readonly declared: (outage: Outage) => Effect.Effect<void, StorageError>
}>()("@rainlogs/core/BatchSpool") {
  static readonly layer = (options: BatchSpoolOptions) => Layer.effect(BatchSpool, make(options))
}

/** What is known of a source in memory. */
interface Known {
  readonly directory: string
  readonly sync: DirectorySync
  /** Content hashes of stored and remembered batches. */
  readonly hashes: Set<string>
  /** Packed line hashes of doubtful batches. */
  doubtful: ReadonlyArray<{ readonly receivedAt: number; readonly sha256: string; readonly lines: Buffer }>
  last: number
  number: number
}

const rememberedFile = "remembered"
const doubtfulFolder = "doubtful"
const frameBytes = 1024 * 1024

const make = Effect.fnUntraced(function*(options: BatchSpoolOptions) {
  const { directory } = options
  const limits = options.limits ?? defaultBatchLimits
  const incoming = join(directory, "incoming")
  const stateFile = join(directory, "state.json")
  const known = new Map<SourceId, Promise<Known>>()
  const call = <A>(key: string, run: () => Promise<A>) => fileCall("receive", key, run)

  const started = yield* Clock.currentTimeMillis
  yield* call("incoming", async () => {
    // What was not finished was not confirmed: it is sent again.
    await rm(incoming, { recursive: true, force: true })
    await mkdir(incoming, { recursive: true, mode: 0o700 })
  })
  const stored = yield* call("state.json", () => DurableFile.readIfPresent(stateFile))
  let state: State = stored === null
    ? { version: 1, identity: randomUUID(), alive: started, floors: {}, outages: [] }
    : yield* Effect.orDie(Schema.decodeUnknownEffect(State)(new TextDecoder().decode(stored)))
  // One writer: each write carries everything that changed before it.
  const writing = yield* Semaphore.make(1)
  const save = (change: (state: State) => State) =>
    writing.withPermits(1)(Effect.gen(function*() {
      const next = change(state)
      const text = yield* Effect.orDie(Schema.encodeEffect(State)(next))
      yield* call("state.json", () => DurableFile.writeDurably(stateFile, new TextEncoder().encode(text)))
      state = next
    }))

  const read = async (folder: string): Promise<ReadonlyArray<BatchFile>> => {
    const names = await readdir(folder).catch((cause: unknown) => {
      if (DurableFile.isAbsent(cause)) return []
      throw cause
    })
    return names.toSorted().flatMap((name) => parseName(name) ?? [])
  }

  const plain = (folder: string, batch: BatchFile) => {
    const file = createReadStream(join(folder, batch.name))
    return batch.encoding === "gzip" ? file.pipe(createGunzip()).on("close", () => file.destroy()) : file
  }

  const framesOf = async function*(folder: string, batch: BatchFile): AsyncGenerator<Buffer> {
    const frames = new LineFrames(frameBytes, limits.lineBytes)
    for await (const piece of plain(folder, batch)) {
      frames.offer(piece)
      for (let frame = frames.take(); frame !== undefined; frame = frames.take()) yield frame
    }
    const rest = frames.end()
    if (rest !== undefined) yield rest
  }

  /** Writes down the lines of a batch that the sender may send again in other batches. */
  const doubt = async (source: Known, batch: BatchFile): Promise<void> => {
    const hashes: Array<Buffer> = []
    for await (const frame of framesOf(source.directory, batch)) {
      for (const line of linesOf(frame)) hashes.push(lineHash(line))
    }
    const lines = packHashes(hashes)
    const folder = join(source.directory, doubtfulFolder)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await DurableFile.writeDurably(join(folder, batch.name), lines)
    source.doubtful = [...source.doubtful, { receivedAt: batch.receivedAt, sha256: batch.sha256, lines }]
  }

  const readDoubtful = async (folder: string, now: number): Promise<Known["doubtful"]> => {
    const found = await read(join(folder, doubtfulFolder))
    const doubtful: Array<Known["doubtful"][number]> = []
    for (const batch of found) {
      const path = join(folder, doubtfulFolder, batch.name)
      if (now - batch.receivedAt > doubtfulMs) await rm(path, { force: true })
      else doubtful.push({ ...batch, lines: await readFile(path) })
    }
    return doubtful
  }

  /** Lines `<ms> <sha256>` of removed batches, without those that are forgotten. */
  const readRemembered = async (folder: string, now: number): Promise<ReadonlyArray<string>> => {
    const path = join(folder, rememberedFile)
    const bytes = await DurableFile.readIfPresent(path)
    const lines = bytes === null ? [] : new TextDecoder().decode(bytes).split("\n")
    const recent = lines.filter((line) =>
      /^\d+ [0-9a-f]{64}$/.test(line) && now - Number.parseInt(line) <= rememberedMs
    )
    if (recent.length < lines.length - 1) {
      await DurableFile.writeDurably(path, new TextEncoder().encode(recent.map((line) => `${line}\n`).join("")))
    }
    return recent.map((line) => line.slice(-64))
  }

  const load = async (source: SourceId, now: number): Promise<Known> => {
    const folder = join(directory, source)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const batches = await read(folder)
    const remembered = await readRemembered(folder, now)
    const loaded: Known = {
      directory: folder,
      sync: new DirectorySync(folder, options.fsync),
      hashes: new Set([...remembered, ...batches.map(({ sha256 }) => sha256)]),
      doubtful: await readDoubtful(folder, now),
      last: batches.at(-1)?.receivedAt ?? 0,
      number: 0
    }
    return loaded
  }

  const knownOf = (source: SourceId) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      call(source, () => {
        const found = known.get(source)
        if (found !== undefined) return found
        const loading = load(source, now)
        known.set(source, loading)
        // What could not be read is read again the next time.
        loading.catch(() => known.delete(source))
        return loading
      }))

  const sources = Effect.map(
    call("receiver", () => readdir(directory)),
    (names) => names.flatMap((name) => Schema.is(SourceId)(name) ? [SourceId.make(name)] : [])
  )

  // What was received shortly before the last process ended may not have been confirmed; the time since is an outage.
  if (stored !== null) {
    const ended = state.alive
    for (const source of yield* sources) {
      const found = yield* knownOf(source)
      // A window that was closed was read after its end: the spool lived until then, and its job may be committed.
      const lastAlive = Math.max(ended, found.last, state.floors[source] ?? 0)
      for (const batch of yield* call(source, () => read(found.directory))) {
        const isKnown = found.doubtful.some(({ sha256 }) => sha256 === batch.sha256)
        if (lastAlive - batch.receivedAt <= unconfirmedMs && !isKnown) yield* call(source, () => doubt(found, batch))
      }
      const to = Math.max(started, lastAlive + 1)
      if (to - lastAlive > 2 * aliveEveryMs) {
        yield* save((before) => ({ ...before, outages: [...before.outages, { source, from: lastAlive, to }] }))
      }
    }
  }
  const beat = Effect.flatMap(Clock.currentTimeMillis, (now) => save((before) => ({ ...before, alive: now })))
  yield* beat
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(
    Effect.sleep(aliveEveryMs),
    Effect.catch(beat, (error) => Effect.logWarning("the spool cannot note that it lives", error))
  )))

  /** Gives a checked file its place in the spool, in one step of the event loop, and makes that durable. */
  const admit = Effect.fnUntraced(
    function*(source: SourceId, path: string, checked: Pick<BatchFile, "encoding" | "sha256">) {
      const found = yield* knownOf(source)
      const now = yield* Clock.currentTimeMillis
      // One step of the event loop: nobody closes a window, or takes the same content, between looking and renaming.
      const place = async (): Promise<BatchFile | null> => {
        if (found.hashes.has(checked.sha256)) return null
        const receivedAt = Math.max(now, found.last, state.floors[source] ?? 0)
        const number = receivedAt === found.last ? found.number + 1 : 0
        const facts = { receivedAt, ...checked }
        const name = nameOf(facts, number)
        renameSync(path, join(found.directory, name))
        found.last = receivedAt
        found.number = number
        found.hashes.add(checked.sha256)
        return { ...facts, name }
      }
      const batch = yield* call(source, place)
      // Who sends it again is told so only when the first is durable: it may still be on its way, or have failed there.
      if (batch === null) return yield* Effect.as(call(source, () => found.sync.sync()), "repeated" as const)
      yield* call(source, () => found.sync.sync()).pipe(
        Effect.onInterrupt(() => Effect.ignore(call(source, () => doubt(found, batch)), { log: "Warn" }))
      )
      return "stored" as const
    }
  )

  const receive = Effect.fn("BatchSpool.receive")(
    function*<E>(source: SourceId, body: Stream.Stream<Uint8Array, E>) {
      const path = join(incoming, temporaryName())
      const check = new BatchCheck(limits)
      const file = yield* Effect.acquireRelease(
        call(source, () => open(path, "wx", 0o600)),
        (file) =>
          Effect.ignore(call(source, async () => {
            check.close()
            await file.close()
            await rm(path, { force: true })
          }))
      )
      // What is no refusal is a fault of ours.
      const checked = <A>(run: () => Promise<A>): Effect.Effect<A, BatchRefused> =>
        Effect.promise(() =>
          run().catch((cause: unknown) => {
            if (cause instanceof BatchRefused) return cause
            throw cause
          })
        ).pipe(
          Effect.flatMap((result) => result instanceof BatchRefused ? Effect.fail(result) : Effect.succeed(result))
        )
      yield* Stream.runForEach(
        body,
        (bytes) => Effect.andThen(checked(() => check.push(bytes)), call(source, () => file.appendFile(bytes)))
      )
      const batch = yield* checked(() => check.end())
      if (batch.plainBytes === 0) return "empty" as const
      if (isDestinationCheck(batch.opening)) return "destination-check" as const
      yield* call(source, () => file.sync())
      return yield* admit(source, path, { encoding: batch.encoding, sha256: batch.sha256 })
    },
    Effect.scoped
  )

  const close = Effect.fn("BatchSpool.close")(function*(source: SourceId, window: Window) {
    const found = yield* knownOf(source)
    if ((state.floors[source] ?? 0) < window.to) {
      yield* save((before) => ({
        ...before,
        floors: { ...before.floors, [source]: Math.max(before.floors[source] ?? 0, window.to) }
      }))
    }
    const all = yield* call(source, () => read(found.directory))
    return all.filter(({ receivedAt }) => window.from <= receivedAt && receivedAt < window.to)
  })

  const content = (source: SourceId, batch: BatchFile): Stream.Stream<Buffer, StorageError> =>
    Stream.unwrap(Effect.map(knownOf(source), (found) => {
      const before = found.doubtful.filter(({ receivedAt, sha256 }) =>
        sha256 !== batch.sha256 && receivedAt <= batch.receivedAt && batch.receivedAt - receivedAt <= doubtfulMs
      )
      const isKnown = (line: Buffer): boolean => {
        const hash = lineHash(line)
        return before.some(({ lines }) => holds(lines, hash))
      }
      const filtered = async function*(): AsyncGenerator<Buffer> {
        for await (const frame of framesOf(found.directory, batch)) {
          yield before.length === 0 ? frame : frameOf(linesOf(frame).filter((line) => !isKnown(line)))
        }
      }
      return Stream.fromAsyncIterable(filtered(), (cause) => cause).pipe(
        Stream.filter((bytes) => bytes.length > 0),
        Stream.catch((cause) => Stream.fromEffect(call(source, () => Promise.reject(cause))))
      )
    }))

  return BatchSpool.of({
    identity: state.identity,
    receive,
    close,
    content,
    batches: (source) => Effect.flatMap(knownOf(source), (found) => call(source, () => read(found.directory))),
    remove: Effect.fn("BatchSpool.remove")(function*(source, batches) {
      if (batches.length === 0) return
      const found = yield* knownOf(source)
      yield* call(source, async () => {
        const lines = batches.map(({ receivedAt, sha256 }) => `${receivedAt} ${sha256}\n`).join("")
        // Remembered before it is removed: a kill in between removes it again.
        await DurableFile.appendDurably(join(found.directory, rememberedFile), new TextEncoder().encode(lines))
        for (const { name } of batches) await rm(join(found.directory, name), { force: true })
      })
    }),
    sources,
    outages: Effect.sync(() => state.outages),
    declared: (outage) =>
      save((before) => ({
        ...before,
        outages: before.outages.filter(({ from, source, to }) =>
          source !== outage.source || from !== outage.from || to !== outage.to
        )
      }))
  })
})
