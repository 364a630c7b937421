import { assert, describe, it } from "vitest"
import { completeFields, defaultFields, httpRequestFields, standardFields } from "../src/HttpRequestFields.ts"
import { type MultisetDigest, MultisetDigester } from "../src/MultisetDigest.ts"
import {
  generateBytes,
  RecordGenerator,
  recordsOf,
  type StreamOptions,
  type ZoneTraffic
} from "../src/RecordGenerator.ts"
import { HOUR, MINUTE, NOW } from "./Client.ts"

const traffic = (changes: Partial<ZoneTraffic> = {}): ZoneTraffic => ({
  id: "ab".repeat(16),
  name: "example.com",
  recordsPerSecond: 20,
  seed: 1,
  ...changes
})

const everything: StreamOptions = { fields: completeFields }

const digest = (
  generator: RecordGenerator,
  fromMs: number,
  toMs: number,
  options: StreamOptions = everything
): MultisetDigest => {
  const digester = new MultisetDigester()
  for (const chunk of generator.bytes(fromMs, toMs, options)) digester.addLines(chunk)
  return digester.finish()
}

const text = (line: Uint8Array): string => Buffer.from(line).toString("utf8")

const parsed = (line: Uint8Array): Record<string, unknown> => JSON.parse(text(line))

describe("RecordGenerator", { timeout: 60_000 }, () => {
  it("gives the same lines for the same seed and others for another seed, zone or field list", () => {
    const one = digest(new RecordGenerator(traffic()), NOW, NOW + MINUTE)
    assert.deepStrictEqual(digest(new RecordGenerator(traffic()), NOW, NOW + MINUTE), one)
    assert.isAbove(one.count, 500)
    for (const other of [traffic({ seed: 2 }), traffic({ id: "cd".repeat(16) })]) {
      assert.notStrictEqual(digest(new RecordGenerator(other), NOW, NOW + MINUTE).digest, one.digest)
    }
    assert.notStrictEqual(
      digest(new RecordGenerator(traffic()), NOW, NOW + MINUTE, { fields: standardFields }).digest,
      one.digest
    )
  })

  it("gives the parts of any partition, at whole milliseconds, the same multiset as the whole", () => {
    const generator = new RecordGenerator(traffic())
    const whole = digest(generator, NOW, NOW + 5 * MINUTE)
    for (const stepMs of [1, 2, 3].map((seed) => 700 + 997 * seed * seed)) {
      const sum = new MultisetDigester()
      for (let from = NOW; from < NOW + 5 * MINUTE; from += stepMs) {
        sum.merge(digest(generator, from, Math.min(from + stepMs, NOW + 5 * MINUTE)))
      }
      assert.deepStrictEqual(sum.finish(), whole)
    }
  })

  it("changes the order with the order number and never the content", () => {
    const generator = new RecordGenerator(traffic())
    const orders = [undefined, 1, 2].map((order): StreamOptions => ({ fields: completeFields, order }))
    const digests = orders.map((options) => digest(generator, NOW, NOW + MINUTE, options))
    assert.deepStrictEqual(digests[1], digests[0])
    assert.deepStrictEqual(digests[2], digests[0])
    const firsts = orders.map((options) => {
      const [record] = generator.recordsOf(NOW, NOW + MINUTE, options)
      assert.isDefined(record)
      return text(record.line)
    })
    assert.strictEqual(new Set(firsts).size, 3)
  })

  it("prints at least 60 fields by default, and every line is one JSON object with the requested fields only", () => {
    assert.isAtLeast(standardFields.length, 60)
    assert.isAtLeast(completeFields.length, 120)
    const generator = new RecordGenerator(traffic({ recordsPerSecond: 100 }))
    for (
      const fields of [standardFields, completeFields, defaultFields, ["RayID"], ["EdgeColoCode"], [
        "WorkerStatus",
        "RayID"
      ]]
    ) {
      let lines = 0
      for (const record of generator.recordsOf(NOW, NOW + MINUTE, { fields })) {
        lines++
        const names = Object.keys(parsed(record.line))
        const missing = fields.filter((name) => !names.includes(name))
        assert.isTrue(names.every((name) => fields.includes(name)), text(record.line))
        if (missing.length > 0) {
          assert.include(["without-colo", "worker-only"], record.oddity)
          if (record.oddity === "without-colo") assert.deepStrictEqual(missing, ["EdgeColoCode"])
        }
        assert.isAbove(names.length, 0)
        assert.notInclude(text(record.line), "\n")
      }
      assert.isAbove(lines, 3000)
    }
  })

  it("gives every field the JSON type Cloudflare documents", () => {
    const generator = new RecordGenerator(traffic())
    const [record] = generator.recordsOf(NOW, NOW + MINUTE, everything)
    assert.isDefined(record)
    const value = parsed(record.line)
    for (const [name, type] of httpRequestFields) {
      const actual = Array.isArray(value[name]) ? "array" : typeof value[name]
      const expected = type.startsWith("array")
        ? "array"
        : type === "bool"
        ? "boolean"
        : type === "string" || type === "object"
        ? type
        : "number"
      assert.strictEqual(actual, expected, name)
    }
    assert.isString(value["ClientLatitude"])
  })

  it("has every oddity of the samples: spaces, shared Ray IDs, missing members, unusual text, lines above 64 KiB", () => {
    const generator = new RecordGenerator(traffic({ recordsPerSecond: 300 }))
    const oddities = new Map<string, number>()
    const rays = new Map<string, number>()
    const statuses = new Set<unknown>()
    const caches = new Set<unknown>()
    let longest = 0
    let bytes = 0
    let count = 0
    let rawSeparator = 0
    let escapedSeparator = 0
    for (const record of generator.recordsOf(NOW, NOW + 3 * MINUTE, { fields: standardFields })) {
      oddities.set(record.oddity, (oddities.get(record.oddity) ?? 0) + 1)
      rays.set(record.rayId, (rays.get(record.rayId) ?? 0) + 1)
      longest = Math.max(longest, record.line.length)
      bytes += record.line.length
      count++
      const line = text(record.line)
      if (record.oddity === "spaced") assert.match(line, /^\{ "ClientIP": "/)
      if (record.oddity === "jndi") assert.include(line, "${jndi:ldap://")
      if (line.includes("\u2028")) rawSeparator++
      if (line.includes("\\u2028")) escapedSeparator++
      const value = parsed(record.line)
      if (record.oddity === "worker-only") assert.notProperty(value, "RayID")
      statuses.add(value["EdgeResponseStatus"])
      caches.add(value["CacheCacheStatus"])
      const address = value["ClientIP"]
      if (typeof address === "string") assert.match(address, /^(203\.0\.113\.|198\.51\.100\.|2001:db8:)/)
    }
    for (
      const oddity of ["none", "spaced", "shared-ray", "without-colo", "worker-only", "unicode", "jndi", "oversized"]
    ) {
      assert.isAbove(oddities.get(oddity) ?? 0, 0, oddity)
    }
    assert.isAbove([...rays.values()].filter((times) => times > 1).length, 0)
    assert.isBelow([...rays.values()].filter((times) => times > 1).length, count / 50)
    assert.isAbove(longest, 65_536)
    assert.isAbove(rawSeparator, 0)
    assert.isAbove(escapedSeparator, 0)
    for (const status of [200, 304, 404, 403, 499, 520, 522, 599]) assert.isTrue(statuses.has(status), String(status))
    for (
      const cache of ["hit", "miss", "dynamic", "expired", "stale", "revalidated", "bypass", "unknown", "updating"]
    ) {
      assert.isTrue(caches.has(cache), cache)
    }
    assert.isAbove(bytes / count, 1200)
    assert.isBelow(bytes / count, 2200)
  })

  it("lets requests start up to four minutes, typically three to four, before they are received, in three spellings", () => {
    const generator = new RecordGenerator(traffic({ recordsPerSecond: 100 }))
    const fields = ["EdgeStartTimestamp", "EdgeEndTimestamp", "RayID"]
    let typical = 0
    let count = 0
    const spellings = ["unixnano", "unix", "rfc3339"] as const
    const lists = spellings.map((timestamps) =>
      Array.from(generator.recordsOf(NOW, NOW + MINUTE, { fields, timestamps }))
    )
    const [nanos, seconds, words] = lists
    assert.isTrue(nanos !== undefined && seconds !== undefined && words !== undefined)
    nanos?.forEach((record, index) => {
      if (record.oddity === "spaced") return
      const match = /"EdgeStartTimestamp":(\d{19}),"EdgeEndTimestamp":(\d{19})/.exec(text(record.line))
      assert.isNotNull(match)
      const start = BigInt(match?.[1] ?? 0)
      const end = BigInt(match?.[2] ?? 0)
      const lagMs = record.receivedMs - Number(start / 1_000_000n)
      assert.isAtLeast(lagMs, 0)
      assert.isAtMost(lagMs, 240_000)
      assert.isTrue(end >= start)
      assert.isAtMost(Number(end / 1_000_000n), record.receivedMs)
      if (lagMs >= 180_000) typical++
      count++
      const second = Number(start / 1_000_000_000n)
      assert.include(text(seconds?.[index]?.line ?? new Uint8Array()), `"EdgeStartTimestamp":${second},`)
      const iso = new Date(second * 1000).toISOString().slice(0, 19)
      assert.include(text(words?.[index]?.line ?? new Uint8Array()), `"EdgeStartTimestamp":"${iso}Z",`)
    })
    assert.isAbove(typical / count, 0.8)
  })

  it("follows a daily curve with the promised mean, and is often silent at small rates", () => {
    const generator = new RecordGenerator(traffic({ recordsPerSecond: 50 }))
    const firstSecond = NOW / 1000
    const hours = Array.from({ length: 168 }, (_, hour) => {
      let sum = 0
      for (let step = 0; step < 60; step++) sum += generator.countInSecond(firstSecond + hour * 3600 + step * 60)
      return sum / 60
    })
    const mean = hours.reduce((sum, rate) => sum + rate, 0) / hours.length
    assert.isAbove(mean, 45)
    assert.isBelow(mean, 55)
    assert.isAbove(Math.max(...hours) / Math.min(...hours), 2)
    const quiet = new RecordGenerator(traffic({ recordsPerSecond: 0.005 }))
    const minutes = Array.from(
      { length: 120 },
      (_, minute) => [...quiet.recordsOf(NOW + minute * MINUTE, NOW + (minute + 1) * MINUTE)].length
    )
    assert.isAbove(minutes.filter((count) => count === 0).length, 20)
    assert.isAbove(minutes.filter((count) => count > 0).length, 10)
  })

  it("refuses a field that does not exist and gives nothing for an empty window", () => {
    assert.throws(() => [...recordsOf(traffic(), NOW, NOW + 1000, { fields: ["NoSuchField"] })], /NoSuchField/)
    assert.deepStrictEqual([...recordsOf(traffic(), NOW, NOW)], [])
    assert.deepStrictEqual([...recordsOf(traffic(), NOW + HOUR, NOW)], [])
  })

  it("is Zipf-like: the busiest path and address are far ahead of the median", () => {
    const addresses = new Map<unknown, number>()
    let count = 0
    for (const record of recordsOf(traffic({ recordsPerSecond: 300 }), NOW, NOW + MINUTE, { fields: ["ClientIP"] })) {
      const address = parsed(record.line)["ClientIP"]
      addresses.set(address, (addresses.get(address) ?? 0) + 1)
      count++
    }
    const ranked = [...addresses.values()].sort((a, b) => b - a)
    assert.isAbove((ranked[0] ?? 0) / count, 0.05)
    assert.isAbove(ranked.length, 1000)
    assert.isAtMost(ranked[Math.floor(ranked.length / 2)] ?? 0, 5)
  })
})

describe("generateBytes", { timeout: 60_000 }, () => {
  it("streams whole lines up to the size asked for, the same for the same seed", () => {
    const run = (seed: number): MultisetDigest => {
      const digester = new MultisetDigester()
      let bytes = 0
      for (const chunk of generateBytes({ bytes: 20_000_000, seed })) {
        assert.strictEqual(chunk.at(-1), 10)
        digester.addLines(chunk)
        bytes += chunk.length
      }
      assert.isAtLeast(bytes, 20_000_000)
      assert.isBelow(bytes, 20_500_000)
      return digester.finish()
    }
    assert.deepStrictEqual(run(5), run(5))
    assert.notStrictEqual(run(5).digest, run(6).digest)
  })

  it("reports its speed", () => {
    const started = performance.now()
    let bytes = 0
    for (const chunk of generateBytes({ bytes: 200_000_000, seed: 1 })) bytes += chunk.length
    const rate = bytes / 1e6 / ((performance.now() - started) / 1000)
    console.log(`generateBytes: ${rate.toFixed(0)} MB/s on one core`)
    assert.isAtLeast(bytes, 200_000_000)
  })
})
