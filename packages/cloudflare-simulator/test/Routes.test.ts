import { assert, describe, it } from "vitest"
import { standardFields } from "../src/HttpRequestFields.ts"
import { DAY, get, goodToken, MINUTE, NOW, post, receivedUrl, token, withSimulator, zone, zoneId } from "./Client.ts"

const authorized = { authorization: `Bearer ${token}` }
const refused = "{\"success\":false,\"errors\":[{\"code\":10000,\"message\":\"Authentication error\"}]}"

describe("credentials", { timeout: 60_000 }, () => {
  const fieldsUrl = (base: string): string => `${base}/zones/${zoneId}/logs/received/fields`

  it("gets 401 without or with an unknown, disabled or expired token, 403 without the right, for foreign and unknown zones", async () => {
    const tokens = [
      { ...goodToken, token: "disabled", status: "disabled" as const },
      { ...goodToken, token: "expired", expiresOn: NOW },
      { ...goodToken, token: "lasting", expiresOn: NOW + 1 },
      { ...goodToken, token: "elsewhere", zones: ["f".repeat(32)] },
      { ...goodToken, token: "rightless", permissions: ["Zone Read" as const] },
      goodToken
    ]
    await withSimulator({ tokens }, async (simulator) => {
      const answers = async (headers: Readonly<Record<string, string>>, url = fieldsUrl(simulator.url)) => {
        const { body, status } = await get(url, headers)
        return [status, body]
      }
      assert.deepStrictEqual(await answers({}), [401, refused])
      for (const name of ["unknown", "disabled", "expired"]) {
        assert.deepStrictEqual(await answers({ authorization: `Bearer ${name}` }), [401, refused], name)
      }
      for (const name of ["elsewhere", "rightless"]) {
        assert.deepStrictEqual(await answers({ authorization: `Bearer ${name}` }), [403, refused], name)
      }
      assert.strictEqual((await answers({ authorization: "Bearer lasting" }))[0], 200)
      assert.deepStrictEqual(await answers(authorized, fieldsUrl(simulator.url).replace(zoneId, "f".repeat(32))), [
        403,
        refused
      ])
      const malformed = (header: string, code: number): string =>
        `{"success":false,"errors":[{"code":6003,"message":"Invalid request headers","error_chain":[{"code":${code},"message":"Invalid format for ${header} header"}]}],"messages":[],"result":null}`
      for (const header of ["Bearer", "Bearer a b", "Basic abc", token]) {
        assert.deepStrictEqual(
          await answers({ authorization: header }),
          [400, malformed("Authorization", 6111)],
          header
        )
      }
      assert.deepStrictEqual(await answers({ "x-auth-email": "a@example.com", "x-auth-key": "short" }), [
        400,
        malformed("X-Auth-Key", 6103)
      ])
    })
  })

  it("are described by /user/tokens/verify", async () => {
    const expiresOn = NOW + DAY
    await withSimulator({
      tokens: [{ ...goodToken, expiresOn }, { ...goodToken, token: "disabled", status: "disabled" }]
    }, async (simulator) => {
      const verify = `${simulator.url}/user/tokens/verify`
      const active = JSON.parse((await get(verify)).body)
      assert.match(active.result.id, /^[0-9a-f]{32}$/)
      assert.deepStrictEqual(active, {
        result: { id: active.result.id, status: "active", expires_on: "2026-10-15T12:00:00Z" },
        success: true,
        errors: [],
        messages: [{ code: 10000, message: "This API Token is valid and active", type: null }]
      })
      assert.strictEqual(
        JSON.parse((await get(verify, { authorization: "Bearer disabled" })).body).result.status,
        "disabled"
      )
      assert.strictEqual((await get(verify, {})).status, 401)
    })
  })
})

describe("zones and routes", { timeout: 60_000 }, () => {
  const other = zone({ id: "f".repeat(32), name: "free.example", plan: "free" })

  it("lists and finds the zones a token may see", () =>
    withSimulator(
      { zones: [zone(), other], tokens: [goodToken, { ...goodToken, token: "one", zones: [other.id] }] },
      async (simulator) => {
        const list = JSON.parse((await get(`${simulator.url}/zones`)).body)
        assert.deepStrictEqual(list.result.map((one: { readonly name: string }) => one.name), [
          "example.com",
          "free.example"
        ])
        assert.deepStrictEqual(list.result_info, { page: 1, per_page: 20, count: 2, total_count: 2, total_pages: 1 })
        const named = JSON.parse((await get(`${simulator.url}/zones?name=free.example`)).body)
        assert.strictEqual(named.result[0].id, other.id)
        assert.strictEqual(named.result[0].plan.legacy_id, "free")
        assert.strictEqual(named.result[0].plan.name, "Free Website")
        assert.deepStrictEqual(JSON.parse((await get(`${simulator.url}/zones?name=absent.example`)).body).result, [])
        const second = JSON.parse((await get(`${simulator.url}/zones?per_page=1&page=2`)).body)
        assert.deepStrictEqual([second.result.length, second.result[0].name, second.result_info.total_pages], [
          1,
          "free.example",
          2
        ])
        const one = { authorization: "Bearer one" }
        assert.strictEqual(JSON.parse((await get(`${simulator.url}/zones`, one)).body).result.length, 1)
        assert.strictEqual(
          JSON.parse((await get(`${simulator.url}/zones/${other.id}`, one)).body).result.plan.legacy_id,
          "free"
        )
        const foreign = await get(`${simulator.url}/zones/${zoneId}`, one)
        assert.strictEqual(foreign.status, 403)
        assert.strictEqual(JSON.parse(foreign.body).errors[0].code, 9109)
      }
    ))

  it("lists the fields as a plain object without an envelope", () =>
    withSimulator({}, async (simulator) => {
      const fields = JSON.parse((await get(`${simulator.url}/zones/${zoneId}/logs/received/fields`)).body)
      assert.deepStrictEqual(Object.keys(fields).sort(), [...standardFields].sort())
      assert.match(fields.ClientLatitude, /^string; /)
      assert.match(fields.EdgeStartTimestamp, /^int or string; /)
    }))

  it("answers an unknown route with 7003 and 7000, and a malformed identifier with 400", () =>
    withSimulator({}, async (simulator) => {
      const body = (path: string): string =>
        `{"success":false,"errors":[{"code":7003,"message":"Could not route to ${path}, perhaps your object identifier is invalid?"},{"code":7000,"message":"No route for that URI"}],"messages":[],"result":null}`
      for (const path of ["/client/v4/nothing", `/client/v4/zones/${zoneId}/logs`, "/elsewhere", "/"]) {
        const answer = await get(`http://127.0.0.1:${simulator.port}${path}`)
        assert.deepStrictEqual([answer.status, answer.body], [404, body(path)])
      }
      const malformed = await get(`${simulator.url}/zones/example.com`)
      assert.deepStrictEqual([malformed.status, malformed.body], [400, body("/client/v4/zones/example.com")])
      assert.strictEqual((await post(`${simulator.url}/zones`, "{}")).status, 404)
    }))

  it("refuses Logpull for zones whose plan has none, with 403 or the historical 204", () =>
    withSimulator({ zones: [zone({ logpull: "no-content" }), other] }, async (simulator) => {
      const empty = await get(receivedUrl(simulator, NOW - 10 * MINUTE, NOW - 5 * MINUTE))
      assert.deepStrictEqual([empty.status, empty.body], [204, ""])
      const free = await get(receivedUrl(simulator, NOW - 10 * MINUTE, NOW - 5 * MINUTE).replace(zoneId, other.id))
      assert.deepStrictEqual([free.status, free.body], [403, refused])
    }))

  it("refuses to start with a zone id that Cloudflare would never give", async () => {
    let problem: unknown
    await withSimulator({ zones: [zone({ id: "example" })] }, async () => undefined).catch((
      cause: unknown
    ) => (problem = cause))
    assert.match(String(problem), /not 32 lower-case hexadecimal digits/)
  })
})
