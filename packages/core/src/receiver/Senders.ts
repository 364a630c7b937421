/**
 * Who may send: the sources of this spool with the hashes of their secrets. They are read from the database now and
 * then, and kept in a file, so that batches are taken while the database is away, also after a restart.
 */
import { Context, Effect, Layer, Schema } from "effect"
import { createHash, timingSafeEqual } from "node:crypto"
import { join } from "node:path"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import type { SourceId } from "../domain/Identifier.ts"
import * as DurableFile from "../storage/DurableFile.ts"
import { BatchSpool } from "./BatchSpool.ts"
import { PushSource, PushSources } from "./PushSources.ts"

/** `directory` holds the file; the database is read every `everyMs`. */
export interface SendersOptions {
  readonly directory: string
  readonly everyMs?: number
}

const Stored = Schema.fromJsonString(Schema.Array(PushSource))

/** The senders. */
export class Senders extends Context.Service<Senders, {
  /** The source, if the secret is its own; undefined for an unknown source or a wrong secret alike. */
  readonly admit: (source: string, secret: string) => PushSource | undefined
  /** Whether this spool receives for the source. */
  readonly knows: (source: SourceId) => boolean
  readonly all: () => ReadonlyArray<PushSource>
  /** Reads the database now. */
  readonly refresh: Effect.Effect<void, DatabaseError>
}>()("@rainlogs/core/Senders") {
  static readonly layer = (options: SendersOptions) => Layer.effect(Senders, make(options))
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

const make = Effect.fnUntraced(function*({ directory, everyMs = 10_000 }: SendersOptions) {
  const sources = yield* PushSources
  const spool = yield* BatchSpool
  const file = join(directory, "senders.json")
  let known = new Map<string, PushSource>()
  const set = (all: ReadonlyArray<PushSource>) => {
    known = new Map(all.map((one) => [one.source, one]))
  }

  const bytes = yield* Effect.orDie(Effect.tryPromise(() => DurableFile.readIfPresent(file)))
  if (bytes !== null) {
    yield* Schema.decodeUnknownEffect(Stored)(new TextDecoder().decode(bytes)).pipe(
      Effect.map(set),
      // The database says it again; until then nobody is let in.
      Effect.catch((error) => Effect.logWarning(`the file of senders cannot be read: ${String(error)}`))
    )
  }

  const refresh = Effect.gen(function*() {
    const all = yield* sources.of(spool.identity)
    const text = yield* Effect.orDie(Schema.encodeEffect(Stored)(all))
    const before = yield* Effect.orDie(Schema.encodeEffect(Stored)([...known.values()]))
    set(all)
    if (text === before) return
    yield* Effect.tryPromise(() => DurableFile.writeDurably(file, new TextEncoder().encode(text))).pipe(
      Effect.catch((error) => Effect.logWarning("the file of senders cannot be written", error))
    )
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(
    Effect.catch(refresh, (error) => Effect.logDebug("the senders are those of the last time", error)),
    Effect.sleep(everyMs)
  )))

  return Senders.of({
    admit: (source, secret) => {
      const found = known.get(source)
      // The same work for an unknown source, so that its time says nothing.
      const expected = Buffer.from(found?.secretSha256 ?? "0".repeat(64), "hex")
      return timingSafeEqual(digest(secret), expected) ? found : undefined
    },
    knows: (source) => known.has(source),
    all: () => [...known.values()],
    refresh
  })
})
