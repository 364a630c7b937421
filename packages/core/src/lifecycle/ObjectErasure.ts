/**
 * Makes a window's object unreadable in the store, and makes sure that it is: what was removed is looked for afterwards.
 * Copies that interrupted attempts left under the same job go too, for they hold the same lines.
 */
import { encode } from "@rainlogs/verify/Ascii"
import { joinLines } from "@rainlogs/verify/Lines"
import { Clock, Effect, Stream } from "effect"
import { createHash } from "node:crypto"
import { dekIdOf, keyRecordKey } from "../secrets/KeyRecord.ts"
import type { ObjectStore, StorageError } from "../storage/ObjectStore.ts"
import type { Erasure, ErasureTarget } from "./Erasure.ts"
import { ErasureIncomplete } from "./LifecycleError.ts"

/** A key of the store that holds nothing any more, and when the store said so, Unix ms. */
export interface Gone {
  readonly key: string
  readonly at: number
}

/** Objects erased at once. */
const parallelTargets = 8

/** The most copies of one window that are looked for. */
const mostCopies = 64

type Objects = ObjectStore["Service"]

const isStored = (objects: Objects, key: string) =>
  objects.head(key).pipe(
    Effect.as(true),
    Effect.catchTag("ObjectMissing", () => Effect.succeed(false))
  )

/** The first key of these windows that an execution removes and the store has lost already; null if it has all. */
export const firstGone = Effect.fnUntraced(function*(
  objects: Objects,
  { method }: Pick<Erasure, "method">,
  targets: ReadonlyArray<ErasureTarget>
) {
  for (const { dek, key } of targets) {
    const keys = [...dek === null ? [] : [keyRecordKey(dek)], ...method === "delete" ? [key] : []]
    for (const one of keys) if (!(yield* isStored(objects, one))) return one
  }
  return null
})

// A store may answer that it removed something and still have it: only what it does not find counts as gone.
const removeAndLook = Effect.fnUntraced(function*(objects: Objects, id: string, key: string) {
  yield* objects.remove(key)
  if (yield* isStored(objects, key)) {
    return yield* new ErasureIncomplete({ id, key, detail: "the store answered that it was removed, and still has it" })
  }
  const gone: Gone = { key, at: yield* Clock.currentTimeMillis }
  return gone
})

const hashOf = (objects: Objects, key: string) =>
  Stream.runFold(objects.get(key), () => createHash("sha256"), (hash, bytes) => hash.update(bytes)).pipe(
    Effect.map((hash): string | null => hash.digest("hex")),
    Effect.catchTag("ObjectMissing", () => Effect.succeed(null))
  )

// What interrupted attempts stored for the same job: `<job>-<another hash>…` beside the object.
const copiesOf = Effect.fnUntraced(function*(objects: Objects, id: string, target: ErasureTarget) {
  const prefix = target.key.slice(0, target.key.lastIndexOf("-") + 1)
  const found = yield* Stream.runCollect(Stream.take(objects.list(prefix), mostCopies + 1))
  if (found.length > mostCopies) {
    const detail = `more than ${mostCopies} objects begin with ${prefix}: look at them with rainlogs fsck`
    return yield* new ErasureIncomplete({ id, key: target.key, detail })
  }
  return found.map(({ key }) => key).filter((key) => key !== target.key)
})

const eraseOne = Effect.fnUntraced(function*(objects: Objects, erasure: Erasure, target: ErasureTarget) {
  const gone: Array<Gone> = []
  const remove = (key: string) =>
    Effect.map(removeAndLook(objects, erasure.id, key), (one) => {
      gone.push(one)
    })
  for (const copy of yield* copiesOf(objects, erasure.id, target)) {
    const sha256 = yield* hashOf(objects, copy)
    if (sha256 !== null) yield* remove(keyRecordKey(dekIdOf(target.job, sha256)))
    yield* remove(copy)
  }
  // The key first: from then on nobody can read what may not be gone yet.
  if (target.dek !== null) yield* remove(keyRecordKey(target.dek))
  if (erasure.method === "delete") yield* remove(target.key)
  return gone
})

/** Erases every target that can be; fails with the first that cannot. Doing it again is fine. */
export const eraseObjects = (
  objects: Objects,
  erasure: Erasure,
  targets: ReadonlyArray<ErasureTarget>
): Effect.Effect<ReadonlyArray<Gone>, StorageError | ErasureIncomplete> =>
  Effect.forEach(targets, (target) => Effect.result(eraseOne(objects, erasure, target)), {
    concurrency: parallelTargets
  }).pipe(
    Effect.flatMap((results) => Effect.forEach(results, Effect.fromResult)),
    Effect.map((gone) => gone.flat()),
    Effect.withSpan("eraseObjects", { attributes: { erasure: erasure.id, targets: targets.length } })
  )

/** What the store answered, as the report of the erasure names it by its SHA-256. */
export const evidenceDocument = (origin: string, erasure: Erasure, gone: ReadonlyArray<Gone>): Uint8Array =>
  encode(joinLines([
    "rainlogs-erasure-evidence/v1",
    `origin ${origin}`,
    `id ${erasure.id}`,
    `intent ${erasure.intent.hash}`,
    `method ${erasure.method}`,
    ...gone.map(({ at, key }) => `gone ${key} ${at}`).toSorted()
  ]))
