/** A sealer, an opener, a KMS and a file store on a directory of their own, for tests. */
import { Effect, Layer, Redacted, Stream } from "effect"
import { join } from "node:path"
import { ObjectAdoption } from "../../src/archive/ObjectAdoption.ts"
import { Opener, type OpenerOptions } from "../../src/archive/Opener.ts"
import { Sealer, type SealerOptions } from "../../src/archive/Sealer.ts"
import { makeOrigin } from "../../src/domain/Customer.ts"
import { CustomerId, JobId, Sha256Hex, ZoneId } from "../../src/domain/Identifier.ts"
import type { LogObject } from "../../src/domain/LogObject.ts"
import { Kms } from "../../src/secrets/Kms.ts"
import * as KmsLocal from "../../src/secrets/KmsLocal.ts"
import * as ObjectStoreFileSystem from "../../src/storage/ObjectStoreFileSystem.ts"
import { temporaryDirectory } from "../storage/TemporaryDirectory.ts"

const customer = CustomerId.make("01980000-0000-7000-8000-000000000001")

/** The place of the one window the tests seal. */
export const place = {
  origin: makeOrigin("archive.example.eu", customer),
  customer,
  chain: ZoneId.make("01980000-0000-7000-8000-000000000002"),
  job: JobId.make("01980000-0000-7000-8000-000000000003"),
  window: { from: 1767225600000, to: 1767226200000 }
}

/** The hash of a collection-parameters document. */
export const params = Sha256Hex.make("cd".repeat(32))

/** A KMS whose master key is the seed, repeated. */
export const kmsOf = (seed: number) => KmsLocal.make(Redacted.make(new Uint8Array(32).fill(seed)))

/** Bytes as a stream of pieces of `size` bytes. */
export const inPieces = (bytes: Uint8Array, size: number): Stream.Stream<Uint8Array> =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
  )

/** All bytes of a stream. */
export const collect = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) =>
  Effect.map(Stream.runCollect(stream), (parts) => Buffer.concat(parts))

/** Everything, with archive and spool below the directory. */
const worldAt = (directory: string, sealer: Partial<SealerOptions> = {}, opener?: OpenerOptions) =>
  ObjectAdoption.layer.pipe(
    Layer.provideMerge(Layer.mergeAll(
      Sealer.layer({ spool: join(directory, "spool"), ...sealer }),
      Opener.layer(opener)
    )),
    Layer.provideMerge(Layer.mergeAll(
      ObjectStoreFileSystem.layer(join(directory, "archive")),
      Layer.succeed(Kms, kmsOf(7))
    ))
  )

/** Runs the effect in a world on a new directory. */
export const inWorld = <A, E, R>(
  effect: (directory: string) => Effect.Effect<A, E, R>,
  sealer: Partial<SealerOptions> = {}
) =>
  Effect.scoped(Effect.gen(function*() {
    const directory = yield* temporaryDirectory
    return yield* Effect.provide(Effect.scoped(effect(directory)), worldAt(directory, sealer))
  }))

/** Seals the bytes as the window at {@link place}. */
export const seal = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>) =>
  Effect.flatMap(Sealer, (sealer) => sealer.seal({ ...place, params, fidelity: "complete", bytes }))

/** Seals and stores. */
export const archive = Effect.fnUntraced(function*(bytes: Uint8Array, size = 65_536) {
  const sealed = yield* seal(inPieces(bytes, size))
  yield* (yield* Sealer).store(sealed)
  return sealed.object
})

/** Opens the whole object. */
export const open = (object: LogObject) =>
  Effect.flatMap(Opener, (opener) => collect(opener.open({ ...place, object })))
