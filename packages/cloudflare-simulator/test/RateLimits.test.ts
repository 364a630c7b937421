import { assert, describe, it } from "vitest"
import { get, goodToken, HOUR, MINUTE, NOW, receivedUrl, withSimulator, zone, zoneId } from "./Client.ts"

describe("request budgets", { timeout: 60_000 }, () => {
  const throttled =
    "{\"success\":false,\"errors\":[{\"code\":971,\"message\":\"Please wait and consider throttling your request speed\"}],\"messages\":[],\"result\":null}"
  const few = zone({ recordsPerSecond: 0.1 })

  it("allow 15 Logpull requests a minute and zone, then 429 with Retry-After until the minute has passed", async () => {
    let now = NOW
    await withSimulator(
      { limits: {}, clock: () => now, zones: [few, { ...few, id: "f".repeat(32) }] },
      async (simulator) => {
        const url = receivedUrl(simulator, NOW - 10 * MINUTE, NOW - 5 * MINUTE)
        for (let request = 0; request < 15; request++) {
          const answer = await get(url)
          assert.strictEqual(answer.status, 200)
          assert.strictEqual(answer.headers["ratelimit"], `"default";r=${1199 - request};t=${300 - request}`)
          assert.match(String(answer.headers["ratelimit-policy"]), /^"burst";q=\d+;w=\d+$/)
          now += 1000
        }
        const over = await get(url)
        assert.deepStrictEqual([over.status, over.body, over.headers["retry-after"]], [429, throttled, "45"])
        assert.strictEqual((await get(url.replace(zoneId, "f".repeat(32)))).status, 200)
        assert.strictEqual((await get(`${simulator.url}/zones`)).status, 200)
        now = NOW + 59_999
        assert.strictEqual((await get(url)).status, 429)
        now = NOW + 60_000
        assert.strictEqual((await get(url)).status, 200)
        assert.strictEqual((await get(url)).status, 429)
        assert.strictEqual(simulator.counters().rateLimited, 3)
      }
    )
  })

  it("allow a user 180 Logpull requests a minute over all zones", () => {
    const zones = Array.from({ length: 13 }, (_, index) => ({ ...few, id: index.toString(16).padStart(32, "0") }))
    return withSimulator(
      { limits: {}, zones, tokens: [goodToken, { ...goodToken, token: "another" }] },
      async (simulator) => {
        const statuses: Array<number> = []
        const url = receivedUrl(simulator, NOW - 10 * MINUTE, NOW - 9 * MINUTE)
        for (const one of zones) {
          for (let request = 0; request < 14; request++) statuses.push((await get(url.replace(zoneId, one.id))).status)
        }
        assert.deepStrictEqual([statuses.filter((status) => status === 200).length, statuses.lastIndexOf(200)], [
          180,
          179
        ])
        assert.strictEqual(
          (await get(url.replace(zoneId, zones[12]?.id ?? ""), { authorization: "Bearer another" })).status,
          200
        )
      }
    )
  })

  it("block every call for five minutes after 1 200 in five minutes", async () => {
    let now = NOW
    await withSimulator({ limits: { perUserPerFiveMinutes: 20 }, clock: () => now }, async (simulator) => {
      const url = `${simulator.url}/zones`
      for (let request = 0; request < 20; request++) assert.strictEqual((await get(url)).status, 200)
      const over = await get(url)
      assert.deepStrictEqual([over.status, over.headers["retry-after"]], [429, "300"])
      now = NOW + 299_999
      assert.strictEqual((await get(url)).status, 429)
      now = NOW + 300_000
      assert.strictEqual((await get(url)).status, 200)
    })
  })

  it("block a zone for an hour after more than 12 timeouts in an hour", async () => {
    let now = NOW
    await withSimulator({ limits: { perZonePerMinute: 1000 }, clock: () => now, zones: [few] }, async (simulator) => {
      const url = receivedUrl(simulator, NOW - 10 * MINUTE, NOW - 9 * MINUTE)
      simulator.faults.next("timeout", { times: 12 })
      for (let request = 0; request < 12; request++) assert.strictEqual((await get(url)).status, 408)
      assert.strictEqual((await get(url)).status, 200)
      simulator.faults.next("timeout")
      assert.strictEqual((await get(url)).status, 408)
      const blocked = await get(url)
      assert.deepStrictEqual([blocked.status, blocked.headers["retry-after"]], [429, "3600"])
      now = NOW + HOUR - 1
      assert.strictEqual((await get(url)).status, 429)
      now = NOW + HOUR
      assert.strictEqual((await get(url)).status, 200)
    })
  })
})
