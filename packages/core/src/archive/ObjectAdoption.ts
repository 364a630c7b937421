/**
 * Finds the object an interrupted attempt stored and could not commit, so that the window is not collected twice.
 * It is adopted only if it is whole: hash, key, every chunk, every frame, line count and size.
 */
import { Context, Effect, Layer, Option, Stream } from "effect"
import { createHash } from "node:crypto"
import type { Origin } from "../domain/Customer.ts"
import { type CustomerId, type JobId, Sha256Hex, type ZoneId } from "../domain/Identifier.ts"
import type { LogObject } from "../domain/LogObject.ts"
import type { Window } from "../domain/Window.ts"
import { keyOfObject } from "../ledger/EntryDraft.ts"
import { chunkedEncryption } from "../secrets/ChunkedEncryption.ts"
import { dekIdOf, keyRecordKey, parseKeyRecord } from "../secrets/KeyRecord.ts"
import type { KmsError } from "../secrets/Kms.ts"
import { ObjectMissing, ObjectStore, StorageError, type StoredObject } from "../storage/ObjectStore.ts"
import { Opener } from "./Opener.ts"
import type { OpenError } from "./OpenError.ts"

/** Whose orphan is looked for. */
export interface AdoptionInput {
  readonly origin: Origin
  readonly customer: CustomerId
  readonly chain: ZoneId
  readonly job: JobId
  readonly window: Window
}

/** Finds what an interrupted attempt has stored. */
export class ObjectAdoption extends Context.Service<ObjectAdoption, {
  /**
   * The first whole orphan of the job. A broken one is left where it is, with a warning in the log; a store that cannot
   * be read is an error, so that the attempt is tried again.
   */
  readonly find: (input: AdoptionInput) => Effect.Effect<Option.Option<LogObject>, StorageError>
}>()("@rainlogs/core/ObjectAdoption") {
  static readonly layer: Layer.Layer<ObjectAdoption, never, ObjectStore | Opener> = Layer.effect(
    ObjectAdoption,
    Effect.suspend(() => make)
  )
}

/** What the object's keys begin with: everything but the hash, which only the object itself knows. */
const prefixOf = (input: AdoptionInput): string => {
  const key = keyOfObject(input, "", "zstd")
  return key.slice(0, key.lastIndexOf(".ndjson"))
}

const make = Effect.gen(function*() {
  const store = yield* ObjectStore
  const opener = yield* Opener

  /** The orphan as the ledger would say it, once everything about it was checked. */
  const check = Effect.fnUntraced(function*(input: AdoptionInput, { key, size }: StoredObject) {
    const hash = yield* Stream.runFold(store.get(key), () => createHash("sha256"), (hash, bytes) => hash.update(bytes))
    const sha256 = hash.digest("hex")
    const dek = dekIdOf(input.job, sha256)
    const bytes = yield* store.getBytes(keyRecordKey(dek))
    const record = yield* Effect.try({
      try: () => parseKeyRecord(bytes),
      catch: (cause) => new Broken(cause instanceof Error ? cause.message : String(cause))
    })
    if (keyOfObject(input, sha256, record.codec) !== key) {
      return yield* Effect.fail(new Broken(`its SHA-256 is ${sha256}, which is not what its name says`))
    }
    const object: LogObject = {
      key,
      sha256: Sha256Hex.make(sha256),
      size,
      codec: record.codec,
      encryption: chunkedEncryption,
      dek,
      records: record.records,
      plainSize: record.plainSize,
      fidelity: record.fidelity,
      params: record.params === null ? null : Sha256Hex.make(record.params),
      recordsRoot: record.recordsRoot === null ? null : Sha256Hex.make(record.recordsRoot)
    }
    const { customer, job, origin } = input
    yield* Stream.runDrain(opener.open({ origin, customer, job, object }))
    return object
  })

  const adopt = (input: AdoptionInput, candidate: StoredObject) =>
    Effect.asSome(check(input, candidate)).pipe(
      Effect.catch((error) =>
        // A store that may answer the next time says nothing about the orphan.
        error instanceof StorageError && error.category !== "corrupt" && error.category !== "rejected"
          ? Effect.fail(error)
          : Effect.as(
            Effect.logWarning(`the orphan ${candidate.key} is not whole and is not adopted: ${reasonOf(error)}`),
            Option.none<LogObject>()
          )
      )
    )

  const find = Effect.fn("ObjectAdoption.find")(function*(input: AdoptionInput) {
    const candidates = yield* Stream.runCollect(Stream.take(store.list(prefixOf(input)), maxCandidates))
    for (const candidate of candidates) {
      const adopted = yield* adopt(input, candidate)
      if (Option.isSome(adopted)) return adopted
    }
    return Option.none<LogObject>()
  })

  return ObjectAdoption.of({ find })
})

/** Orphans looked at: every interrupted attempt leaves at most one, and looking costs a whole read each. */
const maxCandidates = 64

const reasonOf = (error: Broken | OpenError | ObjectMissing | StorageError | KmsError): string => {
  if (error instanceof ObjectMissing) return `there is no ${error.key}`
  return error instanceof Broken ? error.message : error.detail
}

/** The orphan contradicts itself. */
class Broken extends Error {
  override readonly name = "Broken"
}
