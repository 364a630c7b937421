import { assert, layer } from "@effect/vitest"
import { PseudonymKeys } from "@rainlogs/core/pipeline/PseudonymKeys"
import { Effect } from "effect"
import * as RealArchive from "./RealArchive.ts"
import { newCustomer, TestServer } from "./TestServer.ts"

const source = "cloudflare/logpull/http_requests"
const pipeline = { format: "rainlogs-pipeline/v1", rules: [{ rule: "truncate-ip", field: "ClientIP" }] }

const asking = Effect.fnUntraced(function*(method: "GET" | "PUT" | "DELETE", path: string, key: string, body?: object) {
  const { request } = yield* TestServer
  const answer = yield* request(method, path, { key, ...body === undefined ? {} : { body } })
  return { status: answer.status, body: JSON.parse(answer.text) }
})

layer(RealArchive.Live, { timeout: 60_000, excludeTestServices: true })("pipelines on PostgreSQL", (it) => {
  it.effect("are set per source in versions, shown, and taken away", () =>
    Effect.gen(function*() {
      const { key, zone } = yield* RealArchive.newPulledZone()
      const path = `/api/v1/zones/${zone}/pipeline`
      assert.deepStrictEqual((yield* asking("GET", path, key)).body, {
        pipelines: [{ source, version: 0, setAt: null, sha256: null, pipeline: null }]
      })
      const first = yield* asking("PUT", path, key, { source, pipeline })
      assert.strictEqual(first.status, 200)
      assert.deepInclude(first.body, { source, version: 1, pipeline })
      assert.deepStrictEqual((yield* asking("PUT", path, key, { source, pipeline })).body, first.body)
      const both = yield* Effect.all(
        ["a", "b"].map((field) =>
          asking("PUT", path, key, { source, pipeline: { ...pipeline, rules: [{ rule: "drop-field", field }] } })
        ),
        { concurrency: "unbounded" }
      )
      assert.sameMembers(both.map(({ body }) => body.version), [2, 3])
      assert.deepInclude((yield* asking("PUT", path, key, { source, pipeline: null })).body, {
        version: 4,
        pipeline: null
      })
    }), 30_000)

  it.effect(
    "are refused with the path of what is wrong, and where there is no such source or zone",
    () =>
      Effect.gen(function*() {
        const { key, zone } = yield* RealArchive.newPulledZone()
        const mallory = yield* newCustomer("Mallory")
        const path = `/api/v1/zones/${zone}/pipeline`
        const wrong = yield* asking("PUT", path, key, {
          source,
          pipeline: { ...pipeline, rules: [{ rule: "redact", field: "a", wiht: "x" }] }
        })
        assert.strictEqual(wrong.status, 400)
        assert.include(JSON.stringify(wrong.body.errors), "wiht")
        const other = yield* asking("PUT", path, key, { source: "cloudflare/audit_logs/v2", pipeline })
        assert.deepInclude(other, { status: 404 })
        assert.strictEqual(other.body.type, "urn:rainlogs:problem:source-not-found")
        assert.strictEqual((yield* asking("PUT", path, mallory.key, { source, pipeline })).status, 404)
        assert.strictEqual((yield* asking("GET", path, mallory.key)).status, 404)
        assert.deepInclude((yield* asking("GET", path, key)).body.pipelines[0], { version: 0 })
      }),
    30_000
  )

  it.effect(
    "a key of pseudonyms is destroyed by its customer only, and not while it is needed",
    () =>
      Effect.gen(function*() {
        const { customer, key, zone } = yield* RealArchive.newPulledZone()
        const mallory = yield* newCustomer("Mallory")
        const keys = yield* PseudonymKeys
        for (const period of ["2024-01", "never"]) yield* keys.key(customer, period)
        const today = new Date().toISOString().slice(0, 10)
        yield* keys.key(customer, today)
        const destroy = (period: string, by = key) =>
          Effect.map(asking("DELETE", `/api/v1/pseudonym-keys/${period}`, by), ({ status }) => status)
        assert.strictEqual(yield* destroy("2024-01", mallory.key), 404)
        assert.deepStrictEqual((yield* asking("GET", "/api/v1/pseudonym-keys", mallory.key)).body, { keys: [] })
        assert.strictEqual(yield* destroy(today), 409)
        const rules = [{ rule: "pseudonymise", field: "ClientIP", rotate: "never" }]
        yield* asking("PUT", `/api/v1/zones/${zone}/pipeline`, key, { source, pipeline: { ...pipeline, rules } })
        assert.strictEqual(yield* destroy("never"), 409)
        yield* asking("PUT", `/api/v1/zones/${zone}/pipeline`, key, { source, pipeline })
        assert.strictEqual(yield* destroy("never"), 200)
        assert.strictEqual(yield* destroy("2024-01"), 200)
        const { body } = yield* asking("GET", "/api/v1/pseudonym-keys", key)
        assert.deepStrictEqual(
          body.keys.map((
            { destroyedAt, period }: { destroyedAt: string | null; period: string }
          ) => [period, destroyedAt !== null]),
          [["2024-01", true], [today, false], ["never", true]]
        )
      }),
    30_000
  )
})
