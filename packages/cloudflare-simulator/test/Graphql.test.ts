import { afterEach, assert, describe, it } from "vitest"
import { multisetDigest } from "../src/MultisetDigest.ts"
import type { SimulatedZone } from "../src/SimulatedZone.ts"
import { type Simulator, type SimulatorOptions, startSimulator } from "../src/Simulator.ts"

const now = Date.UTC(2026, 10, 20, 12)
const zone = "023e105f4ecef8ad9ca31a8372d0c353"
const token = "cfut_graphql"
const fields = ["datetime", "rayName", "ruleId", "matchIndex", "sampleInterval", "zoneVersion"]
const fromMs = now - 3_600_000
const toMs = now - 1_800_000

let running: Simulator | undefined
afterEach(() => running?.stop())

const start = async (graphql: SimulatedZone["options"]["graphql"] = {}, options: Partial<SimulatorOptions> = {}) =>
  running = await startSimulator({
    clock: () => now,
    zones: [{ id: zone, name: "shop.example", plan: "free", retention: false, recordsPerSecond: 1, seed: 3, graphql }],
    tokens: [{ token, status: "active", zones: "all", permissions: ["Analytics Read"] }],
    ...options
  })

const iso = (ms: number): string => new Date(ms).toISOString()

const ask = async (inner: string, headers: Readonly<Record<string, string>> = {}) => {
  const response = await fetch(`${running?.url}/graphql`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers },
    body: JSON.stringify({ query: `{viewer{zones(filter:{zoneTag:"${zone}"}){${inner}}}}` })
  })
  return { status: response.status, text: await response.text() }
}

const events = (range: readonly [number, number], names: ReadonlyArray<string>, limit = 10_000): string =>
  `firewallEventsAdaptive(filter:{datetime_geq:"${iso(range[0])}",datetime_lt:"${
    iso(range[1])
  }"},limit:${limit},orderBy:[datetime_ASC]){${names.join(" ")}}`

const rowsIn = (text: string): ReadonlyArray<string> => {
  const list = /"firewallEventsAdaptive":\[(.*)\]\}\]\}\},"errors":null\}$/s.exec(text)?.[1] ?? ""
  return list === "" ? [] : list.split(/(?<=\}),(?=\{)/)
}

describe("GraphQL", () => {
  it("gives exactly the true rows of a settled window, in order of time, with twins", async () => {
    const sim = await start({ rowsPerSecond: 1 })
    const rows = rowsIn((await ask(events([fromMs, toMs], fields))).text)
    assert.isAbove(rows.length, 500)
    assert.deepStrictEqual(
      multisetDigest(rows.map((row) => Buffer.from(row))),
      sim.truth.graphqlDigest(zone, "firewallEventsAdaptive", { fromMs, toMs }, fields)
    )
    assert.isBelow(new Set(rows).size, rows.length)
    const times = rows.map((row) => String(JSON.parse(row).datetime))
    assert.deepStrictEqual(times, [...times].sort())
    assert.match(rows[0] ?? "", /"zoneVersion":90071992547\d{8}/)
  })

  it("shows the newest rows only some minutes later", async () => {
    const sim = await start({ rowsPerSecond: 1 })
    const rows = rowsIn((await ask(events([now - 120_000, now], fields))).text)
    const truth = sim.truth.graphqlDigest(zone, "firewallEventsAdaptive", { fromMs: now - 120_000, toMs: now }, fields)
    assert.isBelow(rows.length, truth.count)
  })

  it("samples a wide window and not its narrow parts, and scales the count of a group", async () => {
    await start({ rowsPerSecond: 1, sampleAbove: 300 })
    const wide = await ask(events([fromMs, toMs], fields))
    assert.match(wide.text, /"sampleInterval":8/)
    const narrow = await ask(events([fromMs, fromMs + 60_000], fields))
    assert.match(narrow.text, /"sampleInterval":1[,}]/)
    const group = await ask(
      `firewallEventsAdaptiveGroups(filter:{datetime_geq:"${iso(fromMs)}",datetime_lt:"${iso(toMs)}"},limit:1){count}`
    )
    const count = Number(/"count":(\d+)/.exec(group.text)?.[1])
    assert.strictEqual(count % 8, 0)
    assert.strictEqual(count, rowsIn(wide.text).length * 8)
  })

  it("says in the settings node what a plan may ask", async () => {
    await start()
    const { text } = await ask("settings{firewallEventsAdaptive{notOlderThan maxDuration maxPageSize enabled}}")
    assert.strictEqual(
      text,
      "{\"data\":{\"viewer\":{\"zones\":[{\"settings\":{\"firewallEventsAdaptive\":{\"notOlderThan\":86400,\"maxDuration\":86400,\"maxPageSize\":10000,\"enabled\":true}}}]}},\"errors\":null}"
    )
  })

  const refusals: ReadonlyArray<readonly [string, string, RegExp]> = [
    ["too old", events([now - 90_000_000, toMs], fields), /cannot request data older than 86400s/],
    ["too many rows", events([fromMs, toMs], fields, 10_001), /not greater than 10000/],
    ["an unknown field", events([fromMs, toMs], ["nonsense"]), /unknown field/],
    ["no GraphQL", "{{", /error parsing args/],
    ["a field the plan has not", events([fromMs, toMs], ["metadata"]), /does not have access to the field/],
    ["too many fields", events([fromMs, toMs], [...fields, "action", "source"]), /number of fields/]
  ]
  for (const [name, inner, message] of refusals) {
    it(`refuses ${name} with status 200 and errors`, async () => {
      await start({ settings: { availableFields: [...fields, "action", "source"], maxNumberOfFields: 7 } })
      const { status, text } = await ask(inner)
      assert.strictEqual(status, 200)
      assert.match(text, /^\{"data":null,"errors":\[/)
      assert.match(text, message)
    })
  }

  it("counts queries per token, and in account-based mode per zone", async () => {
    await start({}, { limits: { graphqlPerFiveMinutes: 2 } })
    const settings = "settings{firewallEventsAdaptive{enabled}}"
    const answers = [await ask(settings), await ask(settings), await ask(settings)]
    assert.deepStrictEqual(answers.map(({ status }) => status), [200, 200, 429])
    assert.match(answers[2]?.text ?? "", /rate limiter budget depleted/)
    const account = { "x-rate-limit-type": "account-based" }
    assert.notMatch((await ask(settings, account)).text, /budget/)
  })
})
