/**
 * Ports with a place before and after each step where a test may fail, hold or stop whoever comes by.
 */
import { Sealer } from "@rainlogs/core/archive/Sealer"
import { DatabaseError, WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { CollectionStrategy } from "@rainlogs/core/collect/CollectionStrategy"
import type { Window } from "@rainlogs/core/domain/Window"
import { Kms, type KmsError } from "@rainlogs/core/secrets/Kms"
import { ObjectStore, type StorageError } from "@rainlogs/core/storage/ObjectStore"
import { Effect, Layer } from "effect"

/** The steps of the ledger that can be interfered with. */
export type LedgerStep = "lease" | "renew" | "stored" | "commit" | "retry" | "split" | "jobs"

/** What the test does; absent hooks do nothing. They may be changed while the process runs. */
export interface Hooks {
  beforePut?: ((key: string) => Effect.Effect<void, StorageError>) | undefined
  afterPut?: ((key: string) => Effect.Effect<void, StorageError>) | undefined
  beforeLedger?: ((step: LedgerStep) => Effect.Effect<void, DatabaseError>) | undefined
  afterLedger?: ((step: LedgerStep) => Effect.Effect<void, DatabaseError>) | undefined
  beforeWrap?: (() => Effect.Effect<void, KmsError>) | undefined
  afterSeal?: (() => Effect.Effect<void>) | undefined
  resizeFails?: boolean | undefined
  beforeCollect?: ((window: Window) => Effect.Effect<void>) | undefined
}

/** The four ports of a process with these hooks, around the shared ones. */
export const layer = (hooks: Hooks) => {
  const around = (step: LedgerStep) => <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.gen(function*() {
      yield* hooks.beforeLedger?.(step) ?? Effect.void
      const result = yield* effect
      yield* hooks.afterLedger?.(step) ?? Effect.void
      return result
    })

  const ledger = Layer.effect(
    WindowLedger,
    Effect.map(WindowLedger, (inner) =>
      WindowLedger.of({
        ...inner,
        lease: (target, owner, now, until) => around("lease")(inner.lease(target, owner, now, until)),
        renew: (leased, until) => around("renew")(inner.renew(leased, until)),
        stored: (leased, object, now) => around("stored")(inner.stored(leased, object, now)),
        commit: (leased, object, now) => around("commit")(inner.commit(leased, object, now)),
        retry: (leased, failure, notBefore, now) => around("retry")(inner.retry(leased, failure, notBefore, now)),
        split: (leased, at, now) => around("split")(inner.split(leased, at, now)),
        resize: (source, customer, windowMs) =>
          hooks.resizeFails === true
            ? Effect.fail(new DatabaseError({ operation: "resize", detail: "transient: away" }))
            : inner.resize(source, customer, windowMs),
        jobs: (customer, zone, page) => around("jobs")(inner.jobs(customer, zone, page))
      }))
  )

  const store = Layer.effect(
    ObjectStore,
    Effect.map(ObjectStore, (inner) => {
      const put = (key: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.gen(function*() {
          yield* hooks.beforePut?.(key) ?? Effect.void
          const result = yield* effect
          yield* hooks.afterPut?.(key) ?? Effect.void
          return result
        })
      return ObjectStore.of({
        ...inner,
        put: (key, body) => put(key)(inner.put(key, body)),
        putBytes: (key, bytes) => put(key)(inner.putBytes(key, bytes))
      })
    })
  )

  const kms = Layer.effect(
    Kms,
    Effect.map(Kms, (inner) =>
      Kms.of({
        ...inner,
        wrap: (customer, secret, aad) =>
          Effect.andThen(Effect.suspend(() => hooks.beforeWrap?.() ?? Effect.void), inner.wrap(customer, secret, aad))
      }))
  )

  return Layer.mergeAll(ledger, store, kms)
}

/** The sealer and the strategy of a process with these hooks. */
export const layerPipeline = (hooks: Hooks) =>
  Layer.mergeAll(
    Layer.effect(
      Sealer,
      Effect.map(Sealer, (inner) =>
        Sealer.of({
          ...inner,
          seal: (input) => Effect.tap(inner.seal(input), () => hooks.afterSeal?.() ?? Effect.void)
        }))
    ),
    Layer.effect(
      CollectionStrategy,
      Effect.map(CollectionStrategy, (inner) =>
        CollectionStrategy.of({
          ...inner,
          collect: (target, window) =>
            Effect.andThen(
              Effect.suspend(() => hooks.beforeCollect?.(window) ?? Effect.void),
              inner.collect(target, window)
            )
        }))
    )
  )
