import { connect } from "node:net"
import { assert, describe, it } from "vitest"
import { defaultFields, standardFields } from "../src/HttpRequestFields.ts"
import { multisetDigest } from "../src/MultisetDigest.ts"
import {
  DAY,
  get,
  goodToken,
  HOUR,
  linesOf,
  MINUTE,
  NOW,
  post,
  receivedUrl,
  token,
  withSimulator,
  zone,
  zoneId
} from "./Client.ts"

const authorized = { authorization: `Bearer ${token}` }
const badQuery = "bad query: error parsing"
const refused = "{\"success\":false,\"errors\":[{\"code\":10000,\"message\":\"Authentication error\"}]}"

describe("GET /logs/received", { timeout: 60_000 }, () => {
  it("serves a window as NDJSON whose content equals the truth and whose order differs between calls", () =>
    withSimulator({}, async (simulator) => {
      const url = receivedUrl(simulator, NOW - 10 * MINUTE, NOW - 5 * MINUTE, {
        fields: standardFields.join(","),
        timestamps: "rfc3339"
      })
      const first = await get(url)
      const second = await get(url)
      assert.strictEqual(first.status, 200)
      assert.isUndefined(first.failure)
      assert.isTrue(first.body.endsWith("}\n"))
      assert.notStrictEqual(first.body, second.body)
      const truth = await simulator.truth.multisetDigest(zoneId, NOW - 10 * MINUTE, NOW - 5 * MINUTE, {
        fields: standardFields,
        timestamps: "rfc3339"
      })
      assert.isAbove(truth.count, 3000)
      assert.deepStrictEqual(multisetDigest(linesOf(first.body)), truth)
      assert.deepStrictEqual(multisetDigest(linesOf(second.body)), truth)
      const wholly: Array<Uint8Array> = []
      for await (
        const line of simulator.truth.lines(zoneId, NOW - 10 * MINUTE, NOW - 5 * MINUTE, {
          fields: standardFields,
          timestamps: "rfc3339"
        })
      ) {
        wholly.push(line)
      }
      assert.deepStrictEqual(multisetDigest(wholly), truth)
      const [one, two] = simulator.truth.served()
      assert.strictEqual(one?.lines, truth.count)
      assert.strictEqual(one?.bytes, truth.bytes + truth.count)
      assert.strictEqual(two?.ending, "complete")
      assert.strictEqual(simulator.counters().lines, 2 * truth.count)
    }))

  it("gives contiguous windows that add up to the whole, without overlap, whatever spelling of time cuts them", () =>
    withSimulator({}, async (simulator) => {
      const from = NOW - 20 * MINUTE
      const whole = await simulator.truth.multisetDigest(zoneId, from, from + 4 * MINUTE)
      const cuts = [from, from + 61_234, from + 61_235, from + 2 * MINUTE, from + 4 * MINUTE]
      const lines: Array<Uint8Array> = []
      const spell = [
        (ms: number) => `${ms}000000`,
        (ms: number) => new Date(ms).toISOString(),
        (ms: number) => new Date(ms + 7_200_000).toISOString().replace("Z", "+02:00")
      ]
      for (const [index, start] of cuts.slice(0, -1).entries()) {
        const print = spell[index % spell.length] ?? String
        const answer = await get(
          receivedUrl(simulator, 0, 1, { start: print(start), end: print(cuts[index + 1] ?? 0) })
        )
        assert.strictEqual(answer.status, 200, answer.body)
        lines.push(...linesOf(answer.body))
      }
      assert.deepStrictEqual(multisetDigest(lines), whole)
    }))

  it("compresses only for clients that accept gzip", () =>
    withSimulator({}, async (simulator) => {
      const url = receivedUrl(simulator, NOW - 10 * MINUTE, NOW - 9 * MINUTE)
      const plain = await get(url, authorized)
      const gzip = await get(url, { ...authorized, "accept-encoding": "br, gzip;q=0.5" })
      const unwanted = await get(url, { ...authorized, "accept-encoding": "gzip;q=0" })
      assert.isUndefined(plain.headers["content-encoding"])
      assert.isUndefined(unwanted.headers["content-encoding"])
      assert.strictEqual(gzip.headers["content-encoding"], "gzip")
      assert.deepStrictEqual(multisetDigest(linesOf(gzip.body)), multisetDigest(linesOf(plain.body)))
    }))

  it("answers a window without records with 200 and an empty body, also with gzip", () =>
    withSimulator({ zones: [zone({ startedAt: NOW - HOUR })] }, async (simulator) => {
      for (const headers of [authorized, { ...authorized, "accept-encoding": "gzip" }]) {
        const answer = await get(receivedUrl(simulator, NOW - 2 * HOUR, NOW - HOUR), headers)
        assert.deepStrictEqual([answer.status, answer.body], [200, ""])
      }
      assert.notStrictEqual((await get(receivedUrl(simulator, NOW - HOUR, NOW - HOUR + MINUTE))).body, "")
    }))

  it("prints the default fields and nanosecond integers when not told otherwise", () =>
    withSimulator({}, async (simulator) => {
      const answer = await get(receivedUrl(simulator, NOW - 10 * MINUTE, NOW - 9 * MINUTE))
      const line = answer.body.split("\n").find((one) => one.startsWith("{\"ClientIP\"")) ?? ""
      assert.deepStrictEqual(Object.keys(JSON.parse(line)).sort(), [...defaultFields].sort())
      assert.match(line, /"EdgeStartTimestamp":\d{19},/)
      const seconds = await get(receivedUrl(simulator, NOW - 10 * MINUTE, NOW - 9 * MINUTE, { timestamps: "unix" }))
      assert.match(seconds.body, /"EdgeStartTimestamp":\d{10},/)
    }))

  it("honours sample, count and CVE-2021-44228", () =>
    withSimulator({ zones: [zone({ recordsPerSecond: 60 })] }, async (simulator) => {
      const count = async (parameters: Readonly<Record<string, string>>): Promise<number> =>
        linesOf((await get(receivedUrl(simulator, NOW - 20 * MINUTE, NOW - 5 * MINUTE, parameters))).body).length
      const all = await count({})
      assert.strictEqual(await count({ count: "17" }), 17)
      assert.strictEqual(await count({ count: String(all + 5) }), all)
      const tenth = await count({ sample: "0.1" })
      assert.isAbove(tenth, all * 0.08)
      assert.isBelow(tenth, all * 0.12)
      assert.strictEqual(await count({ sample: "0.1", count: "3" }), 3)
      const fields = { fields: "ClientRequestURI,ClientRequestUserAgent" }
      const raw = (await get(receivedUrl(simulator, NOW - 20 * MINUTE, NOW - 5 * MINUTE, fields))).body
      const rewritten = (await get(
        receivedUrl(simulator, NOW - 20 * MINUTE, NOW - 5 * MINUTE, { ...fields, "CVE-2021-44228": "true" })
      )).body
      assert.include(raw, "${jndi:")
      assert.notInclude(rewritten, "${")
      assert.include(rewritten, "x{jndi:")
      assert.deepStrictEqual(
        multisetDigest(linesOf(raw.replaceAll("${", "x{"))),
        multisetDigest(linesOf(rewritten))
      )
    }))

  it("refuses bad parameters with Cloudflare's plain-text bodies", () =>
    withSimulator({}, async (simulator) => {
      const from = NOW - 10 * MINUTE
      const to = NOW - 5 * MINUTE
      const iso = (ms: number): string => new Date(ms).toISOString()
      const cases: ReadonlyArray<readonly [Readonly<Record<string, string>>, string]> = [
        [
          { start: iso(NOW - 7 * DAY - 1) },
          `${badQuery} time: invalid time range: too long: maximum query range (difference between start and end) is 1h0m0s`
        ],
        [
          { start: iso(NOW - 7 * DAY - 1), end: iso(NOW - 7 * DAY + MINUTE) },
          `${badQuery} time: invalid time range: too early: logs older than 168h0m0s are not available`
        ],
        [
          { end: iso(NOW - MINUTE + 1) },
          `${badQuery} time: invalid time range: too recent: minimum delay in serving logs is 1m0s`
        ],
        [{ end: iso(from) }, `${badQuery} time: invalid time range: start not before end`],
        [{ start: "yesterday" }, `${badQuery} start time: must be unix timestamp or rfc3339 string`],
        [{ start: "" }, `${badQuery} start time: must be unix timestamp or rfc3339 string`],
        [{ end: "2026-13-01T00:00:00Z" }, `${badQuery} end time: must be unix timestamp or rfc3339 string`],
        [{ fields: "RayID,NoSuchField" }, `${badQuery} fields: unknown field: NoSuchField`],
        [{ fields: "RayID, ClientIP" }, `${badQuery} fields: unknown field:  ClientIP`],
        [{ timestamps: "iso" }, `${badQuery} timestamps: must be unix, unixnano or rfc3339`],
        [{ count: "0" }, `${badQuery} count: must be a positive integer`],
        [{ sample: "1.5" }, `${badQuery} sample: must be greater than 0 and at most 1`],
        [{ sample: "0" }, `${badQuery} sample: must be greater than 0 and at most 1`]
      ]
      for (const [parameters, body] of cases) {
        const answer = await get(receivedUrl(simulator, from, to, parameters))
        assert.deepStrictEqual([answer.status, answer.body], [400, body], JSON.stringify(parameters))
        assert.match(answer.headers["content-type"] ?? "", /^text\/plain/)
      }
      // A raw plus sign is a space in a query string.
      const unescaped = await get(
        `${simulator.url}/zones/${zoneId}/logs/received?start=2026-10-14T12:00:00+02:00&end=${to}`
      )
      assert.strictEqual(unescaped.body, `${badQuery} start time: must be unix timestamp or rfc3339 string`)
    }))

  it("serves up to the limits: exactly 7 days old, exactly 1 minute ago, exactly one hour long", () =>
    withSimulator({ zones: [zone({ recordsPerSecond: 0.1 })] }, async (simulator) => {
      assert.strictEqual((await get(receivedUrl(simulator, NOW - 7 * DAY, NOW - 7 * DAY + HOUR))).status, 200)
      assert.strictEqual((await get(receivedUrl(simulator, NOW - 61 * MINUTE, NOW - MINUTE))).status, 200)
      assert.strictEqual((await get(receivedUrl(simulator, NOW - 61 * MINUTE - 1, NOW - MINUTE))).status, 400)
    }))

  it("moves its horizon with the clock", async () => {
    let now = NOW
    await withSimulator({ clock: () => now, zones: [zone({ recordsPerSecond: 0.1 })] }, async (simulator) => {
      const url = receivedUrl(simulator, NOW - 2 * MINUTE, NOW - MINUTE + 1000)
      assert.match((await get(url)).body, /too recent/)
      now = NOW + 1000
      assert.strictEqual((await get(url)).status, 200)
      now = NOW + 7 * DAY - 2 * MINUTE
      assert.strictEqual((await get(url)).status, 200)
      now++
      assert.match((await get(url)).body, /too early/)
    })
  })

  it("prints its own settle time in the refusal", () =>
    withSimulator({ settleMs: 300_000 }, async (simulator) => {
      assert.match(
        (await get(receivedUrl(simulator, NOW - 6 * MINUTE, NOW - 4 * MINUTE))).body,
        /minimum delay in serving logs is 5m0s$/
      )
    }))
})

describe("the retention flag", { timeout: 60_000 }, () => {
  it("refuses while off; records before it was switched on, and while it was off, never exist", async () => {
    let now = NOW
    await withSimulator({ clock: () => now, zones: [zone({ retention: false })] }, async (simulator) => {
      const flagUrl = `${simulator.url}/zones/${zoneId}/logs/control/retention/flag`
      const flag = (value: string): string => `{"result":{"flag":${value}},"success":true,"errors":[],"messages":[]}`
      assert.strictEqual((await get(flagUrl)).body, flag("false"))
      const off = await get(receivedUrl(simulator, NOW - 10 * MINUTE, NOW - 5 * MINUTE))
      assert.deepStrictEqual([off.status, off.body], [400, "Retention is not turned on. Please enable log retention"])

      assert.deepStrictEqual(await post(flagUrl, "{\"flag\":true}"), { status: 200, body: flag("true") })
      now = NOW + 10 * MINUTE
      await post(flagUrl, "{\"flag\": false}")
      now = NOW + 20 * MINUTE
      await post(flagUrl, "{\"flag\":true}")
      now = NOW + 40 * MINUTE

      const before = await get(receivedUrl(simulator, NOW - 10 * MINUTE, NOW))
      assert.deepStrictEqual([before.status, before.body], [200, ""])
      const all = linesOf((await get(receivedUrl(simulator, NOW - 10 * MINUTE, NOW + 30 * MINUTE))).body)
      const { generator } = simulator.zones.get(zoneId) ?? assert.fail("no zone")
      const kept = [
        ...generator.recordsOf(NOW, NOW + 10 * MINUTE),
        ...generator.recordsOf(NOW + 20 * MINUTE, NOW + 30 * MINUTE)
      ]
      assert.isAbove(kept.length, 1000)
      assert.deepStrictEqual(multisetDigest(all), multisetDigest(kept.map((record) => record.line)))
      assert.deepStrictEqual(
        await simulator.truth.multisetDigest(zoneId, NOW - 10 * MINUTE, NOW + 30 * MINUTE),
        multisetDigest(all)
      )
    })
  })

  it("is switched by tokens with Logs Write only, and by a boolean only", () =>
    withSimulator({
      tokens: [{ ...goodToken, permissions: ["Logs Read"] }, {
        ...goodToken,
        token: "writer",
        permissions: ["Logs Write"]
      }]
    }, async (simulator) => {
      const flagUrl = `${simulator.url}/zones/${zoneId}/logs/control/retention/flag`
      assert.deepStrictEqual(await post(flagUrl, "{\"flag\":false}"), { status: 403, body: refused })
      assert.strictEqual((await get(flagUrl)).status, 200)
      const writer = { authorization: "Bearer writer" }
      for (const body of ["", "true", "{\"flag\":\"false\"}", "{}"]) {
        assert.strictEqual((await post(flagUrl, body, writer)).status, 400, body)
      }
      assert.strictEqual((await post(flagUrl, "{\"flag\":false}", writer)).status, 200)
      assert.isFalse(simulator.zones.get(zoneId)?.retention)
    }))
})

describe("streaming", { timeout: 60_000 }, () => {
  it("stops generating when the client does not read, and notices when it leaves", () =>
    withSimulator({ zones: [zone({ recordsPerSecond: 2000 })] }, async (simulator) => {
      const { pathname, search } = new URL(
        receivedUrl(simulator, NOW - 61 * MINUTE, NOW - MINUTE, { fields: standardFields.join(",") })
      )
      const socket = connect(simulator.port, "127.0.0.1")
      socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: simulator\r\nAuthorization: Bearer ${token}\r\n\r\n`)
      await new Promise((resolve) => socket.once("data", resolve))
      socket.pause()
      await new Promise((resolve) => setTimeout(resolve, 500))
      socket.destroy()
      const deadline = Date.now() + 5000
      while (simulator.truth.served().length === 0 && Date.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      const [served] = simulator.truth.served()
      assert.strictEqual(served?.ending, "client-left")
      // Socket buffers hold a few megabytes; the window is 14 GB.
      assert.isBelow(served?.bytes ?? Infinity, 50_000_000)
    }))
})
