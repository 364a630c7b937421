/**
 * Pipelines and keys of pseudonyms of a database that was lost.
 */
import { assert, describe, it } from "@effect/vitest"
import { Pipeline } from "@rainlogs/core/pipeline/Pipeline"
import { PipelineStore } from "@rainlogs/core/pipeline/PipelineStore"
import { PseudonymKeys } from "@rainlogs/core/pipeline/PseudonymKeys"
import * as CatalogedCustomers from "@rainlogs/core/recovery/CatalogedCustomers"
import * as CatalogedPipelines from "@rainlogs/core/recovery/CatalogedPipelines"
import { Rebuild } from "@rainlogs/core/recovery/Rebuild"
import { Effect, Layer, Redacted, Schema } from "effect"
import * as PipelineStoreSql from "../../src/sql/PipelineStoreSql.ts"
import * as PseudonymKeysSql from "../../src/sql/PseudonymKeysSql.ts"
import { makeOne } from "../sql/fixtures.ts"
import { empty, makeWorld, onDatabase } from "./RebuildWorld.ts"

const name = "cloudflare/logpull/http_requests"
const pipeline = Schema.decodeUnknownSync(Pipeline)({
  format: "rainlogs-pipeline/v1",
  rules: [{ rule: "truncate-ip", field: "ClientIP" }]
})

const world = (directory: string) =>
  Layer.merge(PipelineStoreSql.layer, PseudonymKeysSql.layer).pipe(Layer.provideMerge(onDatabase(directory, empty)))

describe("pipelines and keys of pseudonyms", { timeout: 120_000 }, () => {
  it.live("come back as they were, and a destroyed key does not", () =>
    Effect.gen(function*() {
      const directory = yield* makeWorld
      const made = yield* Effect.provide(
        Effect.gen(function*() {
          const { customer, source } = yield* makeOne
          const keys = yield* PseudonymKeys
          const key = yield* keys.key(customer.id, "never")
          yield* keys.key(customer.id, "2024-01")
          yield* keys.destroy(customer.id, "2024-01", 7)
          const store = yield* PipelineStore
          yield* store.set(customer.id, source.zone, name, null, 4)
          yield* store.set(customer.id, source.zone, name, pipeline, 5)
          return { customer: customer.id, zone: source.zone, key }
        }),
        Layer.merge(CatalogedCustomers.layer, CatalogedPipelines.layer).pipe(Layer.provideMerge(world(directory))),
        { local: true }
      )
      yield* Effect.provide(
        Effect.gen(function*() {
          yield* Rebuild.use((service) => service.run({ unauthorised: "refuse", onEntries: () => {} }))
          const [found] = yield* (yield* PipelineStore).ofZone(made.customer, made.zone)
          assert.deepInclude(found!, { pipeline, setAt: 5, version: 1 })
          const keys = yield* PseudonymKeys
          const key = yield* keys.key(made.customer, "never")
          assert.deepStrictEqual(Redacted.value(key.secret), Redacted.value(made.key.secret))
          assert.strictEqual((yield* Effect.flip(keys.key(made.customer, "2024-01")))._tag, "PseudonymKeyDestroyed")
        }),
        world(directory),
        { local: true }
      )
    }))
})
