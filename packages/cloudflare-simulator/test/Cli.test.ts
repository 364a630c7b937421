import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "vitest"
import type { TokenOptions } from "../src/Authentication.ts"
import { multisetDigest } from "../src/MultisetDigest.ts"
import { simulatedClock, type SimulatedTime } from "../src/SimulatedClock.ts"
import type { ZoneOptions } from "../src/SimulatedZone.ts"
import { get, linesOf, MINUTE, NOW, post } from "./Client.ts"

const cli = fileURLToPath(new URL("../src/cli.ts", import.meta.url))

/** The line the process prints. */
interface Hello {
  readonly url: string
  readonly control: string
  readonly tokens: readonly [TokenOptions, TokenOptions]
  readonly zones: readonly [ZoneOptions, ...ReadonlyArray<ZoneOptions>]
  readonly time: SimulatedTime
}

const withProcess = async (
  argv: ReadonlyArray<string>,
  body: (hello: Hello) => Promise<void>
): Promise<number | null> => {
  const child = spawn(process.execPath, [cli, ...argv], { stdio: ["ignore", "pipe", "inherit"] })
  const closed = once(child, "close")
  try {
    const [line] = await once(createInterface({ input: child.stdout }), "line")
    await body(JSON.parse(String(line)))
  } finally {
    child.kill("SIGTERM")
  }
  const [code] = await closed
  return code
}

describe("the simulator as a process", { timeout: 60_000 }, () => {
  it("prints where it is, keeps the announced clock, obeys its control port and ends on SIGTERM", async () => {
    const realEpoch = Date.now()
    const argv = [
      "--seed",
      "torture 5",
      "--zones",
      "2",
      "--rate",
      "30",
      "--epoch",
      String(NOW),
      "--real-epoch",
      String(realEpoch),
      "--speed",
      "600",
      "--unlimited"
    ]
    const code = await withProcess(argv, async (hello) => {
      assert.deepStrictEqual(hello.time, { epochMs: NOW, realEpochMs: realEpoch, speed: 600 })
      assert.strictEqual(hello.zones.length, 2)
      const mine = simulatedClock(hello.time)()
      const theirs = JSON.parse((await get(`${hello.control}/clock`, {})).body).nowMs
      assert.isAtLeast(theirs, mine)
      assert.isBelow(theirs - mine, 600 * 5000)

      const zone = hello.zones[1]?.id
      const from = NOW - 30 * MINUTE
      const url = `${hello.url}/zones/${zone}/logs/received?start=${from / 1000}&end=${
        (from + 5 * MINUTE) / 1000
      }&timestamps=unix&fields=RayID,ClientIP`
      const headers = { authorization: `Bearer ${hello.tokens[1].token}` }
      const window = `zone=${zone}&from=${from}&to=${from + 5 * MINUTE}&timestamps=unix&fields=ClientIP,RayID`
      const truth = JSON.parse((await get(`${hello.control}/truth?${window}`, {})).body)
      assert.isAbove(truth.count, 4000)
      assert.deepStrictEqual(multisetDigest(linesOf((await get(url, headers)).body)), truth)
      assert.deepStrictEqual(multisetDigest(linesOf((await get(`${hello.control}/lines?${window}`, {})).body)), truth)

      assert.strictEqual(
        (await post(
          `${hello.control}/faults`,
          JSON.stringify({ next: { kind: "server-error", status: 520 }, times: 2 })
        )).status,
        200
      )
      assert.strictEqual((await get(url, headers)).status, 520)
      await post(`${hello.control}/faults`, JSON.stringify({ off: true }))
      assert.strictEqual((await get(url, headers)).status, 200)
      await post(`${hello.control}/faults`, JSON.stringify({ always: "html" }))
      assert.match((await get(url, headers)).body, /^<!DOCTYPE/)
      await post(`${hello.control}/faults`, JSON.stringify({ random: { seed: 1, probability: 0 } }))
      await post(`${hello.control}/faults`, JSON.stringify({ off: true }))
      await post(`${hello.control}/outage`, JSON.stringify({ outage: "refused" }))
      assert.strictEqual((await get(url, headers)).failure, "ECONNREFUSED")
      await post(`${hello.control}/outage`, JSON.stringify({ outage: "none" }))
      assert.strictEqual((await get(url, headers)).status, 200)

      const counters = JSON.parse((await get(`${hello.control}/counters`, {})).body)
      assert.deepStrictEqual(counters.faults, { "server-error": 1, html: 1 })
      const served = JSON.parse((await get(`${hello.control}/served?since=1`, {})).body)
      assert.strictEqual(served.length, counters.requests - 1)
      assert.strictEqual(served[0].status, 520)

      for (
        const wrong of [
          "",
          "[]",
          "{}",
          "{\"next\":\"no such fault\"}",
          "{\"next\":\"trailer\",\"times\":0}",
          "{\"next\":\"trailer\",\"target\":\"x\"}"
        ]
      ) {
        assert.strictEqual((await post(`${hello.control}/faults`, wrong)).status, 400, wrong)
      }
      assert.strictEqual((await get(`${hello.control}/truth?zone=${zone}&from=x&to=1`, {})).status, 400)
      assert.strictEqual((await get(`${hello.control}/truth?zone=nope&from=0&to=1`, {})).status, 400)
      assert.strictEqual((await get(`${hello.control}/lines?zone=nope&from=0&to=1`, {})).status, 400)
      assert.strictEqual((await get(`${hello.control}/nothing`, {})).status, 404)
    })
    assert.strictEqual(code, 0)
  })

  it("gives the same zones, tokens and records for the same seed", async () => {
    const seen: Array<unknown> = []
    for (const seed of ["a", "a", "b"]) {
      await withProcess(["--seed", seed, "--epoch", String(NOW)], async (hello) => {
        const zone = hello.zones[0].id
        const truth = await get(`${hello.control}/truth?zone=${zone}&from=${NOW - MINUTE}&to=${NOW}`, {})
        seen.push({ zone, tokens: hello.tokens, truth: truth.body })
      })
    }
    assert.deepStrictEqual(seen[0], seen[1])
    assert.notDeepEqual(seen[0], seen[2])
  })

  it("explains a wrong argument on stderr and exits with 2", async () => {
    for (const argv of [["--speed", "fast"], ["--unknown"], ["--zones", "-1"]]) {
      const child = spawn(process.execPath, [cli, ...argv], { stdio: ["ignore", "ignore", "pipe"] })
      let stderr = ""
      child.stderr.on("data", (chunk: Uint8Array) => (stderr += Buffer.from(chunk).toString()))
      const [code] = await once(child, "close")
      assert.strictEqual(code, 2)
      assert.match(stderr, /Usage: cli\.ts/)
      assert.include(stderr, argv[0] ?? "")
    }
  })
})
