import { assert, beforeAll, describe, it } from "vitest"
import { encode as ascii } from "../../src/Ascii.ts"
import { anchorSource } from "../../src/Gap.ts"
import { verify as verifySignature } from "../../src/node/NativeEd25519.ts"
import { exitCode } from "../../src/Report.ts"
import { type ArchiveBuilder, minute, start } from "../../src/tampering/ArchiveBuilder.ts"
import { addDay, anchor, beginEvidence, day, trust, witness } from "../../src/tampering/EvidenceArchive.ts"
import { EarliestTimes, needingRenewal, type TrustedTime } from "../../src/verification/TrustedTimes.ts"
import { printVerifierKey } from "../../src/VerifierKey.ts"
import { verifyArchive, type VerifyOptions } from "../../src/VerifyArchive.ts"
import { parseWitnessPolicy } from "../../src/WitnessPolicy.ts"
import { log, signer } from "../ArchiveBuilder.ts"
import { memoryReader } from "../MemoryReader.ts"

const verify = async (builder: ArchiveBuilder, options: Partial<VerifyOptions> = {}) => {
  const report = await verifyArchive(memoryReader(builder.files), { ...trust(), verifySignature, ...options })
  const codes = report.findings
    .filter(({ question, severity }) => question === "anchoring" && severity !== "notice")
    .map(({ code }) => code)
  return { report, codes: [...new Set(codes)], exit: exitCode(report, ["anchoring"]) }
}

describe("anchoring", () => {
  let built: ArchiveBuilder
  beforeAll(async () => {
    built = beginEvidence()
    for (let number = 0; number < 4; number++) await addDay(built, number)
    built.publish()
  })
  const path = (builder: ArchiveBuilder, nth: number) =>
    [...builder.files.keys()].filter((key) => key.includes("/anchor/")).sort()[nth] ?? ""

  it("passes when a trusted witness cosigned in time, and not without its key", async () => {
    const { codes, exit, report } = await verify(built)
    assert.deepStrictEqual([codes, exit, report.counts.anchors], [[], 0, 4])
    assert.strictEqual(report.trustedTime, start + 4 * day + 6 * minute)
    const without = await verify(built, { keys: [log.key] })
    assert.deepStrictEqual([without.codes, without.exit], [["ANCHOR_UNTRUSTED", "NO_ANCHOR"], 2])
  })

  it("finds a receipt that is missing, changed, of another checkpoint, forged or not a receipt", async () => {
    const changed = async (edit: (builder: ArchiveBuilder, key: string) => unknown) => {
      const builder = built.copy()
      edit(builder, path(builder, 1))
      const { codes, exit } = await verify(builder)
      return [codes, exit]
    }
    const last = path(built, 3)
    assert.deepStrictEqual(await changed((builder, key) => builder.files.delete(key)), [["ANCHOR_MISSING"], 2])
    const other = built.files.get(last) ?? new Uint8Array(0)
    assert.deepStrictEqual(await changed((builder, key) => builder.files.set(key, other)), [
      ["ANCHOR_MISMATCH", "BAD_SIGNATURE"],
      1
    ])
    assert.deepStrictEqual(await changed((builder, key) => builder.files.set(key, ascii("nothing\n"))), [
      ["MALFORMED_ANCHOR", "ANCHOR_MISMATCH"],
      3
    ])
    const tail = new TextEncoder().encode(`text\n\n${new TextDecoder().decode(other)}`)
    assert.deepStrictEqual(await changed((builder, key) => builder.files.set(key, tail)), [
      ["MALFORMED_ANCHOR", "ANCHOR_MISMATCH"],
      3
    ])
    const key = last.replace("w1.cosig", "b1.json")
    const json = (text: string) => changed((builder) => builder.files.set(key, ascii(text)))
    assert.deepStrictEqual(await json("{\"size\":1,\"checkpoint\":\"00\"}"), [["ANCHOR_MISMATCH"], 1])
    assert.deepStrictEqual(await json("[]"), [["MALFORMED_ANCHOR"], 3])
  })

  it("asks for the quorum of a policy, at the time the last needed witness signed", async () => {
    const stranger = signer("witness.example.org/w2", 4, 40)
    const policy = (quorum: string) =>
      parseWitnessPolicy(
        `log ${printVerifierKey(log.key)}\nwitness w1 ${printVerifierKey(witness.key)}\n` +
          `witness w2 ${printVerifierKey(stranger.key)} https://w2.example.org/\ngroup g ${quorum} w1 w2\nquorum g\n`
      )
    const one = await verify(built, { keys: [log.key], witnessPolicy: policy("any") })
    assert.deepStrictEqual([one.codes, one.exit], [[], 0])
    const both = await verify(built, { keys: [log.key], witnessPolicy: policy("all") })
    assert.deepStrictEqual([both.codes, both.exit], [["NO_ANCHOR", "WITNESS_QUORUM_MISSED"], 2])
  })

  it("says late instead of tampered only where the ledger declares an outage of its anchors", async () => {
    const late = (excused: "declared" | "not declared"): ArchiveBuilder => {
      const builder = built.copy()
      const from = start + 4 * day
      builder.window({ from, to: from + day, lines: "{}\n", time: from + day + minute })
      const resumed = from + 3 * day
      if (excused === "declared") {
        builder.gap({ chain: "control", source: anchorSource, from, to: resumed }, resumed - minute)
      }
      const size = builder.publish().entries.length
      return anchor(builder, size, resumed).publish()
    }
    assert.deepStrictEqual((await verify(late("not declared"))).codes, ["ANCHOR_LAG_EXCEEDED"])
    const declared = await verify(late("declared"))
    assert.deepStrictEqual([declared.codes, declared.exit], [["ANCHOR_LATE"], 2])
  })

  it("is overdue when entries older than the lag have no trusted time as of the moment asked", async () => {
    const freshness = (hours: number) => ({ asOf: start + 4 * day + hours * 60 * minute, maxStaleness: 10 * day })
    assert.deepStrictEqual((await verify(built, { freshness: freshness(20) })).codes, [])
    const overdue = await verify(built, { freshness: freshness(30) })
    assert.deepStrictEqual([overdue.codes, overdue.exit], [["ANCHOR_OVERDUE"], 2])
  })
})

describe("trusted times", () => {
  const time = (size: number, at: number, expires: number | null = null): TrustedTime => {
    return { size, time: at, by: "x", key: "x", expires }
  }

  it("gives the earliest time over each entry, whichever anchor it comes from", () => {
    const earliest = new EarliestTimes([time(10, 500), time(5, 400), time(5, 300), time(20, 450)])
    assert.deepStrictEqual([0, 4, 5, 9, 10, 19, 20].map((index) => earliest.over(index)?.time ?? null), [
      300,
      300,
      450,
      450,
      450,
      450,
      null
    ])
  })

  it("needs renewal when certificates expired before anything good covered it", () => {
    const needing = (times: ReadonlyArray<TrustedTime>, now: number) =>
      needingRenewal(times, now).map(({ size }) => size)
    assert.deepStrictEqual(needing([time(5, 100, 200)], 150), [])
    assert.deepStrictEqual(needing([time(5, 100, 200)], 300), [5])
    assert.deepStrictEqual(needing([time(5, 100, 200), time(9, 180, 400)], 300), [])
    assert.deepStrictEqual(needing([time(5, 100, 200), time(9, 250, 400)], 300), [5])
    assert.deepStrictEqual(needing([time(5, 100, 200), time(4, 180, 400)], 300), [5])
    assert.deepStrictEqual(needing([time(5, 100, 200), time(9, 180, 250), time(12, 240)], 300), [])
    assert.deepStrictEqual(needing([time(5, 100, 200), time(9, 180, 250)], 300), [9, 5])
  })
})

describe("a witness policy", () => {
  const [w1, w2] = [printVerifierKey(witness.key), printVerifierKey(signer("w2.example.org", 4, 41).key)]
  it.each([
    ["no quorum", `witness a ${w1}\n`, /quorum line is missing/],
    ["two quorums", `witness a ${w1}\nquorum a\nquorum a\n`, /no line of a policy/],
    ["an unknown member", `witness a ${w1}\ngroup g any b\nquorum g\n`, /"b" is not defined/],
    ["a cycle", `group g any g\nquorum g\n`, /"g" is not defined/],
    ["a member twice", `witness a ${w1}\ngroup g any a a\nquorum g\n`, /twice/],
    ["a threshold too large", `witness a ${w1}\nwitness b ${w2}\ngroup g 3 a b\nquorum g\n`, /up to 2/],
    ["a threshold of zero", `witness a ${w1}\ngroup g 0 a\nquorum g\n`, /any, all or a number/],
    ["a name twice", `witness a ${w1}\nwitness a ${w2}\nquorum a\n`, /cannot be defined/],
    ["a log's key as a witness", `witness a ${printVerifierKey(log.key)}\nquorum a\n`, /type 1, expected 4/],
    ["a strange line", `trust everyone\nquorum none\n`, /no line of a policy/]
  ])("refuses %s", (_, text, message) => {
    assert.throws(() => parseWitnessPolicy(text), message)
  })

  it("takes comments, groups of groups, and no witness at all", () => {
    const nested = parseWitnessPolicy(
      `# who\nwitness a ${w1}\n\nwitness b ${w2}\ngroup g 1 a b\ngroup h all g\nquorum h`
    )
    assert.deepStrictEqual([...nested.members.keys()], ["a", "b", "g", "h"])
    assert.isNull(parseWitnessPolicy("quorum none\n").quorum)
  })
})
