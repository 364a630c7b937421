import { assert, describe, it } from "vitest"
import { defaultFaultWeights, type Fault, faultKinds, Faults } from "../src/Faults.ts"
import { faultyChunks } from "../src/FaultyBody.ts"
import { standardFields } from "../src/HttpRequestFields.ts"
import { multisetDigest } from "../src/MultisetDigest.ts"
import type { Simulator } from "../src/Simulator.ts"
import {
  get,
  linesOf,
  MINUTE,
  NOW,
  post,
  type Received,
  receivedUrl,
  token,
  withSimulator,
  zone,
  zoneId
} from "./Client.ts"

const from = NOW - 10 * MINUTE
const to = NOW - 8 * MINUTE
const print = { fields: standardFields, timestamps: "rfc3339" as const }

const pull = (simulator: Simulator, encoding = "identity", patienceMs = 10_000): Promise<Received> =>
  get(
    receivedUrl(simulator, from, to, { fields: standardFields.join(","), timestamps: "rfc3339" }),
    { authorization: `Bearer ${token}`, "accept-encoding": encoding },
    patienceMs
  )

const isObjectLine = (line: string): boolean => {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === "object" && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

/** Runs one faulty pull in both encodings, then a clean one that must be whole. */
const observe = (
  fault: Fault,
  check: (answer: Received, encoding: string) => void,
  patienceMs?: number
): Promise<void> =>
  withSimulator({}, async (simulator) => {
    for (const encoding of ["identity", "gzip"]) {
      simulator.faults.next(fault)
      check(await pull(simulator, encoding, patienceMs), encoding)
      const clean = await pull(simulator, encoding)
      assert.strictEqual(clean.status, 200)
      assert.deepStrictEqual(
        multisetDigest(linesOf(clean.body)),
        await simulator.truth.multisetDigest(zoneId, from, to, print)
      )
    }
    assert.strictEqual(simulator.faults.injected.get(fault.kind), 2)
    assert.strictEqual(simulator.truth.served()[0]?.fault, fault.kind)
  })

describe("a fault on /logs/received", { timeout: 60_000 }, () => {
  for (const [lineEnd, ending] of [["none", ""], ["newline", "\n"]] as const) {
    it(`trailer (${lineEnd}): complete 200, whole lines, then "Error streaming data."`, () =>
      observe({ kind: "trailer", afterBytes: 150_000, lineEnd }, (answer) => {
        assert.strictEqual(answer.status, 200)
        assert.isUndefined(answer.failure)
        assert.isTrue(answer.body.endsWith(`}\nError streaming data.${ending}`))
        const lines = answer.body.trimEnd().split("\n").slice(0, -1)
        assert.isAbove(lines.length, 20)
        assert.isTrue(lines.every(isObjectLine))
        assert.isAtMost(Buffer.byteLength(answer.body), 150_030)
      }))
  }

  it("reset: ECONNRESET after part of the body", () =>
    observe({ kind: "reset", afterBytes: 100_000 }, (answer, encoding) => {
      assert.strictEqual(answer.status, 200)
      assert.oneOf(answer.failure, ["ECONNRESET", "aborted"])
      if (encoding === "identity") assert.isAbove(answer.body.length, 1000)
    }))

  for (const framing of ["chunked", "content-length"] as const) {
    it(`cut (${framing}): the connection closes inside a line, before the promised end`, () =>
      observe({ kind: "cut", afterBytes: 100_000, framing }, (answer, encoding) => {
        assert.strictEqual(answer.status, 200)
        assert.oneOf(answer.failure, ["ECONNRESET", "aborted", "incomplete"])
        assert.strictEqual(answer.headers["content-length"], framing === "chunked" ? undefined : "1000000000")
        assert.isAbove(answer.body.length, 1000)
        if (encoding === "identity") assert.isFalse(isObjectLine(answer.body.split("\n").at(-1) ?? "{}"))
      }))
  }

  it("partial-line: complete as HTTP, but the last line is half a record", () =>
    observe({ kind: "partial-line", afterBytes: 100_000 }, (answer) => {
      assert.deepStrictEqual([answer.status, answer.failure], [200, undefined])
      const lines = answer.body.split("\n")
      assert.isFalse(isObjectLine(lines.at(-1) ?? "{}"))
      assert.isTrue(lines.slice(0, -1).every(isObjectLine))
    }))

  it("stall: no byte at all, or part of the body and then silence, until the server gives up", async () => {
    await observe({ kind: "stall", holdMs: 300 }, (answer) => {
      assert.strictEqual(answer.status, 0)
      assert.strictEqual(answer.failure, "ECONNRESET")
    })
    await observe(
      { kind: "stall", holdMs: 60_000 },
      (answer) => assert.strictEqual(answer.failure, "CLIENT_TIMEOUT"),
      300
    )
    await observe({ kind: "stall", holdMs: 60_000, afterBytes: 50_000 }, (answer, encoding) => {
      assert.strictEqual(answer.status, 200)
      assert.isDefined(answer.failure)
      if (encoding === "identity") assert.isAbove(answer.body.length, 1000)
    }, 300)
  })

  it("drip: slow but complete", () =>
    withSimulator({ zones: [zone({ recordsPerSecond: 0.5 })] }, async (simulator) => {
      const truth = await simulator.truth.multisetDigest(zoneId, from, to, print)
      simulator.faults.next({ kind: "drip", bytesPerSecond: truth.bytes })
      const started = performance.now()
      const answer = await pull(simulator, "gzip")
      assert.isAbove(performance.now() - started, 500)
      assert.deepStrictEqual(multisetDigest(linesOf(answer.body)), truth)
    }))

  it("too-many-requests: with and without Retry-After, as text and as JSON, as often as asked", () =>
    withSimulator({}, async (simulator) => {
      simulator.faults.next({ kind: "too-many-requests", retryAfterSeconds: 7, body: "json" }, { times: 3 })
      simulator.faults.next({ kind: "too-many-requests", retryAfterSeconds: "absent", body: "text" })
      for (let request = 0; request < 3; request++) {
        const answer = await pull(simulator)
        assert.deepStrictEqual([answer.status, answer.headers["retry-after"]], [429, "7"])
        assert.strictEqual(JSON.parse(answer.body).errors[0].code, 971)
      }
      const bare = await pull(simulator)
      assert.deepStrictEqual([bare.status, bare.headers["retry-after"]], [429, undefined])
      assert.isFalse(isObjectLine(bare.body))
      assert.strictEqual((await pull(simulator)).status, 200)
    }))

  it("server-error and timeout: 5xx with HTML, 408 with nothing", async () => {
    for (const status of [500, 502, 503, 520] as const) {
      await observe({ kind: "server-error", status }, (answer) => {
        assert.strictEqual(answer.status, status)
        assert.match(answer.headers["content-type"] ?? "", /^text\/html/)
        assert.match(answer.body, /^<!DOCTYPE html>/)
      })
    }
    await observe({ kind: "timeout" }, (answer) => assert.deepStrictEqual([answer.status, answer.body], [408, ""]))
  })

  it("html: 200 with a page instead of records", () =>
    observe({ kind: "html" }, (answer) => {
      assert.strictEqual(answer.status, 200)
      assert.match(answer.body, /^<!DOCTYPE html>/)
    }))

  it("foreign-line and array-line: one bad line in the middle, all others intact", async () => {
    for (const kind of ["foreign-line", "array-line"] as const) {
      await observe({ kind }, (answer) => {
        const lines = answer.body.trimEnd().split("\n")
        const bad = lines.flatMap((line, index) => (isObjectLine(line) ? [] : [index]))
        assert.strictEqual(bad.length, 1)
        assert.isAbove(bad[0] ?? 0, 0)
        assert.isBelow(bad[0] ?? 0, lines.length - 1)
        if (kind === "array-line") assert.isArray(JSON.parse(lines[bad[0] ?? 0] ?? ""))
      })
    }
  })

  it("odd-content-type: the right records under another type", () =>
    withSimulator({}, async (simulator) => {
      simulator.faults.next("odd-content-type")
      const answer = await pull(simulator)
      assert.strictEqual(answer.headers["content-type"], "application/octet-stream")
      assert.deepStrictEqual(
        multisetDigest(linesOf(answer.body)),
        await simulator.truth.multisetDigest(zoneId, from, to, print)
      )
    }))
})

describe("Faults", { timeout: 60_000 }, () => {
  it("strike the target asked for, go on with always, and end with off", () =>
    withSimulator({}, async (simulator) => {
      const flag = `${simulator.url}/zones/${zoneId}/logs/control/retention/flag`
      simulator.faults.next("server-error", { target: "retention" })
      assert.strictEqual((await pull(simulator)).status, 200)
      assert.strictEqual((await get(flag)).status, 502)
      assert.strictEqual((await get(flag)).status, 200)
      simulator.faults.always({ kind: "server-error", status: 500 })
      for (let request = 0; request < 3; request++) assert.strictEqual((await pull(simulator)).status, 500)
      simulator.faults.next("too-many-requests")
      assert.strictEqual((await pull(simulator)).status, 429)
      assert.strictEqual((await pull(simulator)).status, 500)
      simulator.faults.off()
      assert.strictEqual((await pull(simulator)).status, 200)
    }))

  it("keep a fault of the body for a request that has a body", () =>
    withSimulator({}, async (simulator) => {
      simulator.faults.next("trailer")
      assert.strictEqual((await get(receivedUrl(simulator, to, from))).status, 400)
      assert.match((await pull(simulator)).body, /Error streaming data\.$/)
    }))

  it("strike at random by seed, independently of the order of requests, with every kind and about the asked probability", () => {
    const run = (order: ReadonlyArray<number>): ReadonlyMap<number, string> => {
      const faults = new Faults(() => Promise.resolve())
      faults.random({ seed: "s", probability: 0.5 })
      return new Map(order.map((window) => {
        const planned = faults.forRequest("received", `window ${window}`)
        return [window, JSON.stringify(planned.at("edge") ?? planned.at("body") ?? null)]
      }))
    }
    const order = Array.from({ length: 2000 }, (_, index) => index)
    const forward = run(order)
    const backward = run(order.toReversed())
    for (const window of order) assert.strictEqual(backward.get(window), forward.get(window))
    const struck = [...forward.values()].filter((fault) => fault !== "null")
    assert.isAbove(struck.length, 900)
    assert.isBelow(struck.length, 1100)
    // A GraphQL error is no answer to any other call, so it never comes at random.
    const drawn = faultKinds.filter((kind) => defaultFaultWeights[kind] > 0)
    assert.deepStrictEqual(faultKinds.filter((kind) => !drawn.includes(kind)), ["graphql-error"])
    for (const kind of drawn) assert.isTrue(struck.some((fault) => fault.includes(`"kind":"${kind}"`)), kind)
  })

  it("let a retry of a randomly failing window succeed in the end", () =>
    withSimulator({}, async (simulator) => {
      simulator.faults.random({ seed: 3, probability: 0.8, stallMs: 50, dripBytesPerSecond: 50_000_000 })
      const truth = await simulator.truth.multisetDigest(zoneId, from, to, print)
      let attempts = 0
      for (let whole = false; !whole && attempts < 100; attempts++) {
        const answer = await pull(simulator)
        whole = answer.failure === undefined && answer.status === 200 &&
          multisetDigest(linesOf(answer.body)).digest === truth.digest
      }
      assert.isAbove(attempts, 1)
      assert.isBelow(attempts, 100)
    }))

  it("refuse a probability that is none", () => {
    const faults = new Faults(() => Promise.resolve())
    assert.throws(() => faults.random({ seed: 1, probability: 1.5 }), /0 to 1/)
  })
})

describe("an outage", { timeout: 60_000 }, () => {
  it("refuses connections, or answers 503, until it ends on the same port", () =>
    withSimulator({}, async (simulator) => {
      await simulator.faults.outage("refused")
      assert.strictEqual((await pull(simulator)).failure, "ECONNREFUSED")
      await simulator.faults.outage("unavailable")
      assert.strictEqual((await pull(simulator)).status, 503)
      assert.strictEqual((await post(`${simulator.url}/zones`, "{}")).status, 503)
      await simulator.faults.outage("none")
      assert.strictEqual((await pull(simulator)).status, 200)
    }))
})

describe("faultyChunks", { timeout: 60_000 }, () => {
  const chunk = (text: string): Uint8Array => Buffer.from(text)
  const all = (chunks: ReadonlyArray<Uint8Array>, fault: Fault): string =>
    Buffer.concat([...faultyChunks(chunks, fault)]).toString()
  const body = [chunk("{\"a\":1}\n{\"a\":2}\n"), chunk("{\"a\":3}\n")]
  const whole = "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n"

  it("always shows, wherever the fault strikes and however short the body is", () => {
    for (let afterBytes = 0; afterBytes < 40; afterBytes++) {
      const trailer = all(body, { kind: "trailer", afterBytes })
      assert.isTrue(trailer.endsWith("Error streaming data."))
      const kept = trailer.slice(0, -"Error streaming data.".length)
      assert.isTrue(whole.startsWith(kept) && kept.length < whole.length && (kept === "" || kept.endsWith("\n")))
      for (const kind of ["partial-line", "cut", "reset"] as const) {
        const cut = all(body, { kind, afterBytes })
        assert.isTrue(whole.startsWith(cut))
        assert.isFalse(isObjectLine(cut.split("\n").at(-1) ?? ""), `${kind} ${afterBytes} ${cut}`)
        assert.notStrictEqual(cut.at(-1), "\n")
      }
    }
    assert.strictEqual(all([], { kind: "trailer" }), "Error streaming data.")
    assert.isFalse(isObjectLine(all([], { kind: "partial-line" })))
    assert.strictEqual(all([], { kind: "foreign-line" }).split("\n").length, 2)
  })
})
