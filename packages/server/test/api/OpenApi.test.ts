import { assert, describe, it } from "@effect/vitest"
import { Api } from "@rainlogs/core/api/Api"
import { OpenApi } from "effect/http-api"
import { readFileSync } from "node:fs"

const document = OpenApi.fromApi(Api)
const methods = ["get", "post", "put", "patch", "delete"] as const
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  methods.flatMap((method) => {
    const operation = item[method]
    return operation === undefined ? [] : [{ name: `${method} ${path}`, operation }]
  })
)

describe("the OpenAPI document", () => {
  it("is the committed one; node scripts/openapi.ts writes it", () => {
    const committed = readFileSync(new URL("../../../../docs/openapi.json", import.meta.url), "utf8")
    assert.deepStrictEqual(JSON.parse(committed), JSON.parse(JSON.stringify(document)))
  })

  it("has every endpoint, each with a summary and a description", () => {
    assert.deepStrictEqual(operations.map(({ name }) => name).sort(), [
      "delete /api/v1/bundles/{id}",
      "delete /api/v1/pseudonym-keys/{period}",
      "get /api/v1/bundles",
      "get /api/v1/bundles/{id}",
      "get /api/v1/bundles/{id}/content",
      "get /api/v1/erasures",
      "get /api/v1/erasures/retention/due",
      "get /api/v1/erasures/{id}",
      "get /api/v1/holds",
      "get /api/v1/logs/jobs/{id}",
      "get /api/v1/logs/jobs/{id}/download",
      "get /api/v1/policy",
      "get /api/v1/pseudonym-keys",
      "get /api/v1/quota",
      "get /api/v1/zones",
      "get /api/v1/zones/{id}",
      "get /api/v1/zones/{id}/coverage",
      "get /api/v1/zones/{id}/logs",
      "get /api/v1/zones/{id}/pipeline",
      "get /customers/{id}/quota",
      "get /health",
      "get /health/worker",
      "post /api/v1/bundles",
      "post /api/v1/erasures",
      "post /api/v1/erasures/drafts",
      "post /api/v1/erasures/retention/run",
      "post /api/v1/erasures/{id}/execute",
      "post /api/v1/holds",
      "post /api/v1/holds/{id}/release",
      "post /api/v1/holds/{id}/release-drafts",
      "post /api/v1/policy",
      "post /api/v1/policy/drafts",
      "post /api/v1/zones",
      "post /api/v1/zones/{id}/logpush",
      "post /api/v1/zones/{id}/pull",
      "post /api/v1/zones/{id}/sources",
      "post /customers",
      "put /api/v1/zones/{id}/pipeline",
      "put /customers/{id}/quota"
    ])
    for (const { name, operation } of operations) {
      assert.isNotEmpty(operation.summary, name)
      assert.isNotEmpty(operation.description, name)
    }
  })

  it("demands a key everywhere but for health", () => {
    for (const { name, operation } of operations) {
      const expected = name.startsWith("get /health") ? [] : name.includes(" /customers") ? ["adminToken"] : ["apiKey"]
      assert.deepStrictEqual(operation.security.flatMap((requirement) => Object.keys(requirement)), expected, name)
      assert.strictEqual("401" in operation.responses, expected.length > 0, name)
    }
  })

  it("answers every failure with a problem whose type is a URN of ours", () => {
    for (const { name, operation } of operations) {
      for (const [status, response] of Object.entries(operation.responses)) {
        if (Number(status) < 400) continue
        assert.deepStrictEqual(Object.keys(response.content ?? {}), ["application/problem+json"], `${name} ${status}`)
      }
    }
    const types = JSON.stringify(document.components.schemas).match(/"urn:rainlogs:problem:[a-z-]+"/g) ?? []
    assert.isAbove(types.length, 10)
    assert.strictEqual(new Set(types).size, types.length, "two problems share a type")
  })
})
