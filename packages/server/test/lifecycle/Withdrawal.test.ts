/**
 * Bundles of windows that are erased, on PostgreSQL and a file-system store: ready ones are withdrawn, one that is being
 * made is begun again, and a process that ends at any step leaves none to download.
 */
import { assert, describe, layer } from "@effect/vitest"
import { BundleFiles } from "@rainlogs/core/bundle/BundleFiles"
import { BundleStore } from "@rainlogs/core/bundle/BundleStore"
import { BundleWithdrawal } from "@rainlogs/core/bundle/BundleWithdrawal"
import { BundleWorker } from "@rainlogs/core/bundle/BundleWorker"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId } from "@rainlogs/core/domain/Identifier"
import type { ErasureMethod } from "@rainlogs/core/lifecycle/Erasure"
import * as ErasuresModule from "@rainlogs/core/lifecycle/Erasures"
import { Erasures } from "@rainlogs/core/lifecycle/Erasures"
import { ErasureStore } from "@rainlogs/core/lifecycle/ErasureStore"
import { verifyBundle } from "@rainlogs/verify/bundle/VerifyBundle"
import { newHash } from "@rainlogs/verify/node/BundleFile"
import { verify as verifySignature } from "@rainlogs/verify/node/NativeEd25519"
import { printNote, signNote } from "@rainlogs/verify/Note"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Deferred, Effect, Exit, Fiber, Layer, Option } from "effect"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { ask, download, gated, show, work, worker } from "../api/BundleWorld.ts"
import { approver, call, customerWith, Live, verdict, World } from "./LifecycleWorld.ts"

const [dpo, ceo] = [approver("dpo", 1), approver("ceo", 2)]
const live = { excludeTestServices: true, timeout: "120 seconds" } as const

type Customer = Effect.Success<ReturnType<typeof customerWith>>

const ledgerOf = ({ id, origin }: Customer) => ({ customer: CustomerId.make(id), origin: Origin.make(origin) })

const windowOf = ({ archived }: Customer, index: number) => {
  const window = archived[index]
  if (window === undefined) throw new RangeError(`there is no window ${index}`)
  return window
}

/** Asks for a bundle with keys over the windows `first` to `last`. */
const askFor = (customer: Customer, first: number, last: number) =>
  ask(customer.apiKey, {
    zone: customer.zone,
    from: new Date(windowOf(customer, first).from).toISOString(),
    to: new Date(windowOf(customer, last).to).toISOString(),
    disclose: true
  })

const ready = Effect.fnUntraced(function*(customer: Customer, first: number, last: number) {
  const { id } = yield* askFor(customer, first, last)
  assert.strictEqual(yield* work({ customer: CustomerId.make(customer.id), id }), "ready")
  return id
})

/** Announces the erasure of one window; its id. */
const announced = Effect.fnUntraced(function*(customer: Customer, index: number, method: ErasureMethod = "delete") {
  const { from, to } = windowOf(customer, index)
  const erasures = yield* Erasures
  const { clock } = yield* World
  const now = clock.currentTimeMillisUnsafe()
  const request = { zone: null, from, to, reason: "gdpr-art17", method, basis: "case 12" } as const
  const draft = Option.getOrThrow(yield* erasures.draft(ledgerOf(customer), request, null, now))
  yield* erasures.announce(ledgerOf(customer), printNote(signNote(draft.document, [dpo, ceo])), now)
  return draft.id
})

const execute = (customer: Customer, id: string) => Erasures.use((erasures) => erasures.execute(ledgerOf(customer), id))

const filesOf = ({ id }: Customer) =>
  Effect.map(World, ({ directory }) => {
    const folder = join(directory, "bundles", id)
    return existsSync(folder) ? readdirSync(folder).toSorted() : []
  })

describe("an erasure", { timeout: 120_000 }, () => {
  layer(Live, live)((it) => {
    it.effect("withdraws the ready bundles that hold its windows, and no other", () =>
      Effect.gen(function*() {
        const customer = yield* customerWith(3, [dpo, ceo])
        yield* verdict(customer)
        const whole = yield* ready(customer, 0, 2)
        const beside = yield* ready(customer, 0, 1)
        const stranger = yield* customerWith(3, [dpo, ceo])
        yield* verdict(stranger)
        const theirs = yield* ready(stranger, 0, 2)
        const erasure = yield* announced(customer, 2)
        assert.strictEqual((yield* download(customer.apiKey, whole)).status, 200)

        assert.strictEqual((yield* execute(customer, erasure)).state, "done")
        assert.deepStrictEqual(yield* filesOf(customer), [`${beside}-1.zip`])
        const gone = yield* download(customer.apiKey, whole)
        assert.strictEqual(gone.status, 410)
        assert.deepInclude(JSON.parse(gone.body.toString()), { type: "urn:rainlogs:problem:bundle-withdrawn", erasure })
        const shown = yield* call(customer.apiKey, "GET", `/api/v1/bundles/${whole}`)
        assert.deepInclude(shown.body, { state: "withdrawn", withdrawnBy: erasure })
        assert.strictEqual((yield* download(customer.apiKey, beside)).status, 200)
        assert.strictEqual((yield* download(stranger.apiKey, theirs)).status, 200)
      }))

    it.effect("leaves a range of which a bundle can be made, that verifies and says that the erasure is in order", () =>
      Effect.gen(function*() {
        const customer = yield* customerWith(3, [dpo, ceo])
        yield* execute(customer, yield* announced(customer, 1))
        yield* execute(customer, yield* announced(customer, 2, "crypto-erase"))
        yield* verdict(customer)
        const { body } = yield* download(customer.apiKey, yield* ready(customer, 0, 2))
        const source = {
          size: body.length,
          read: (offset: number, length: number) => Promise.resolve(body.subarray(offset, offset + length))
        }
        const keys = [parseVerifierKey(customer.vkey)]
        const report = yield* Effect.promise(() => verifyBundle(source, { keys, verifySignature }, newHash))
        assert.strictEqual(report.verdict.integrity, "PASS", JSON.stringify(report.findings))
        assert.strictEqual(report.verdict.erasures, "PASS", JSON.stringify(report.findings))
        assert.include(body.toString("latin1"), windowOf(customer, 0).key)
        assert.notInclude(body.toString("latin1"), `archive/${windowOf(customer, 1).key}`)
        assert.include(body.toString("latin1"), `archive/${windowOf(customer, 2).key}`)
        assert.include(body.toString("latin1"), `disclosed/${windowOf(customer, 0).job}.key`)
        assert.notInclude(body.toString("latin1"), `disclosed/${windowOf(customer, 1).job}.key`)
        assert.notInclude(body.toString("latin1"), `disclosed/${windowOf(customer, 2).job}.key`)
      }))

    it.effect("makes a bundle that is being made begin again", () =>
      Effect.gen(function*() {
        const customer = yield* customerWith(2, [dpo, ceo])
        yield* verdict(customer)
        const { id } = yield* askFor(customer, 0, 1)
        const of = { customer: CustomerId.make(customer.id), id }
        const { gate, layer: slow, reached } = yield* gated
        // It does not renew its lease, as one whose machine sleeps: only the end of its work tells it.
        const asleep = Layer.effect(
          BundleStore,
          Effect.map(BundleStore, (store) => BundleStore.of({ ...store, renew: () => Effect.never }))
        )
        const making = yield* Effect.forkChild(
          BundleWorker.use((service) => service.work(of)).pipe(
            Effect.provide(worker().pipe(Layer.provide(Layer.merge(slow, asleep))), { local: true })
          )
        )
        yield* Deferred.await(reached)
        yield* execute(customer, yield* announced(customer, 1))
        const { attempts, state } = yield* show(customer.apiKey, id)
        assert.deepStrictEqual({ attempts, state }, { attempts: 0, state: "requested" })
        yield* Deferred.succeed(gate, undefined)
        assert.notStrictEqual(yield* Fiber.join(making), "ready")
        assert.deepStrictEqual(yield* filesOf(customer), [])
        yield* verdict(customer)
        assert.strictEqual(yield* work(of), "ready")
        const { file } = yield* show(customer.apiKey, id)
        assert.strictEqual(file?.objects, 1)
      }))

    it.effect("that is cut off at any step leaves no bundle to download once it is done", () =>
      Effect.gen(function*() {
        const steps = ["before records", "after records", "before file", "after file"] as const
        const customer = yield* customerWith(steps.length, [dpo, ceo])
        yield* verdict(customer)
        for (const [index, step] of steps.entries()) {
          const id = yield* ready(customer, index, index)
          const erasure = yield* announced(customer, index)
          const end = (at: string) => Effect.suspend(() => at === step ? Effect.die("killed") : Effect.void)
          const dying = Layer.merge(
            Layer.effect(
              BundleStore,
              Effect.map(BundleStore, (store) =>
                BundleStore.of({
                  ...store,
                  withdraw: (...of) =>
                    Effect.andThen(end("before records"), store.withdraw(...of)).pipe(
                      Effect.tap(end("after records"))
                    )
                }))
            ),
            Layer.effect(
              BundleFiles,
              Effect.map(BundleFiles, (files) =>
                BundleFiles.of({
                  ...files,
                  removeFile: (...of) =>
                    Effect.andThen(end("before file"), files.removeFile(...of)).pipe(Effect.tap(end("after file")))
                }))
            )
          )
          const mortal = Layer.fresh(ErasuresModule.layer).pipe(
            Layer.provide(Layer.fresh(BundleWithdrawal.layer)),
            Layer.provide(dying)
          )
          const cut = yield* Effect.exit(execute(customer, erasure).pipe(Effect.provide(mortal, { local: true })))
          assert.isTrue(Exit.isFailure(cut), step)
          const found = yield* ErasureStore.use((store) => store.erasure(CustomerId.make(customer.id), erasure))
          assert.strictEqual(Option.getOrThrow(found).state, "executing", step)

          assert.strictEqual((yield* execute(customer, erasure)).state, "done")
          assert.deepStrictEqual(yield* filesOf(customer), [], step)
          assert.strictEqual((yield* download(customer.apiKey, id)).status, 410, step)
          yield* verdict(customer)
        }
      }))
  })
})
