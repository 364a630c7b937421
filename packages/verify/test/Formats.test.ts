import { assert, describe, it } from "vitest"
import { parseAnchored, printAnchored } from "../src/Anchored.ts"
import { decode, encode } from "../src/Ascii.ts"
import * as Base64 from "../src/Base64.ts"
import { parseCheckpoint, printCheckpoint } from "../src/Checkpoint.ts"
import { type Entry, parseEntry, printEntry } from "../src/Entry.ts"
import { parseGap, printGap } from "../src/Gap.ts"
import { parseGenesis, printGenesis } from "../src/Genesis.ts"
import { parseHeartbeat, printHeartbeat } from "../src/Heartbeat.ts"
import * as Hex from "../src/Hex.ts"
import { openEnd, parseHold, printHold } from "../src/Hold.ts"
import { parseKeys, printKeys } from "../src/Keys.ts"
import { MalformedError } from "../src/Malformed.ts"
import { parseNote, printNote } from "../src/Note.ts"
import { parsePolicy, type Policy, printPolicy } from "../src/Policy.ts"
import { parseRelease, printRelease } from "../src/Release.ts"
import { parseTombstone, printTombstone } from "../src/Tombstone.ts"
import { parseVerifierKey, printVerifierKey } from "../src/VerifierKey.ts"
import { assertStrict } from "./Mangle.ts"
import { golden } from "./Vectors.ts"

const document = (prefix: string): Uint8Array => {
  const bytes = Object.values(golden.documentsBase64).map(Base64.decode).filter((candidate) =>
    new TextDecoder().decode(candidate).startsWith(prefix)
  )
  return bytes.at(-1) ?? new Uint8Array(0)
}
const noteText = (prefix: string): Uint8Array => encode(parseNote(document(prefix)).text)
const text = (parse: (value: string) => string) => (bytes: Uint8Array) => encode(parse(decode(bytes)))
const entry = (index: number): Entry => parseEntry(encode(golden.entries[index]?.text ?? ""))

const gap = encode(
  `rainlogs-gap/v1\norigin ${golden.origin}\nchain ${golden.zone}\nsource cloudflare/logpull/http_requests\n` +
    "from 1767225600000\nto 1767229200000\nreason outage\ndetected 1767229300000\ndetail host restarted\n"
)

const uuid = (digit: string) => `01980000-0000-7000-8000-00000000000${digit}`
const anchored = encode(
  `rainlogs-anchored/v1\norigin ${golden.origin}\nanchor tsa-1\ntype rfc3161\nsize 8\nroot ${"ab".repeat(32)}\n` +
    `checkpoint ${"cd".repeat(32)}\nreceipt ${"ef".repeat(32)}\ntime 1767225600123\n`
)
const hold = encode(
  `rainlogs-hold/v1\norigin ${golden.origin}\nid ${uuid("1")}\nscope * 5 ${openEnd}\nscope ${golden.zone} 5 6\n` +
    "basis case 12/2026\nissued 1767225600000\n"
)
const release = encode(
  `rainlogs-release/v1\norigin ${golden.origin}\nid ${uuid("2")}\nhold ${uuid("1")}\nbasis case 12/2026\n` +
    "issued 1767225600001\n"
)
const keys = encode(
  `rainlogs-keys/v1\norigin ${golden.origin}\nversion 2\nprevious ${golden.keys.log.vkey}\nlog ${golden.keys.log.vkey}\n` +
    `clock ${golden.keys.clock.vkey}\nrevoked 0000000a 1767225600000 compromised\nrevoked 000000ff 5 lost\n`
)

describe("every format reads only what it prints, whatever byte is changed, removed, doubled or inserted", () => {
  const samples: ReadonlyArray<[string, Uint8Array, (bytes: Uint8Array) => Uint8Array]> = [
    ["object entry", printEntry(entry(2)), (bytes) => printEntry(parseEntry(bytes))],
    ["event entry", printEntry(entry(0)), (bytes) => printEntry(parseEntry(bytes))],
    ["genesis", noteText("rainlogs-genesis/v1"), text((value) => printGenesis(parseGenesis(value)))],
    ["policy", noteText("rainlogs-policy/v1"), text((value) => printPolicy(parsePolicy(value)))],
    ["tombstone", noteText("rainlogs-tombstone/v1"), text((value) => printTombstone(parseTombstone(value)))],
    ["heartbeat", document("rainlogs-heartbeat/v1"), text((value) => printHeartbeat(parseHeartbeat(value)))],
    ["gap", gap, text((value) => printGap(parseGap(value)))],
    ["anchored", anchored, text((value) => printAnchored(parseAnchored(value)))],
    ["hold", hold, text((value) => printHold(parseHold(value)))],
    ["release", release, text((value) => printRelease(parseRelease(value)))],
    ["keys", keys, text((value) => printKeys(parseKeys(value)))],
    [
      "checkpoint",
      encode(parseNote(encodeUtf8(golden.checkpoints[8]?.served)).text),
      text((value) => {
        return printCheckpoint(parseCheckpoint(value))
      })
    ],
    ["signed note", encodeUtf8(golden.checkpoints[8]?.served), (bytes) => printNote(parseNote(bytes))],
    ["verifier key", encode(golden.keys.log.vkey), text((value) => printVerifierKey(parseVerifierKey(value)))]
  ]
  it.each(samples)("%s", (_, sample, reprint) => {
    assert.isAbove(sample.length, 50)
    assertStrict(sample, reprint)
  }, 60_000)
})

describe("entry", () => {
  const object = entry(2)
  const refused = (change: Partial<Record<string, unknown>>, source: Entry = object) =>
    assert.throws(() => printEntry({ ...source, ...change } as Entry), MalformedError)

  it("refuses to print values the format cannot carry", () => {
    refused({ seq: -1 })
    refused({ seq: 1.5 })
    refused({ seq: 2 ** 53 })
    refused({ time: Number.NaN })
    refused({ origin: "archive.example.eu" })
    refused({ chain: "control" })
    refused({ job: "01980000-0000-7000-8000-00000000001G" })
    refused({ object: "00" })
    refused({ key: "-" })
    refused({ key: "logs/a b" })
    refused({ key: null })
    refused({ dek: "dek-1" })
    refused({ encryption: "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM" })
    refused({ window: { from: 5, to: 5 } })
    refused({ source: "naïve" })
    refused({ codec: "brotli" })
    refused({ chain: golden.zone }, entry(0))
    refused({ key: "event/other" }, entry(0))
  })

  it("takes an empty window with nothing stored, and a sampled encrypted one", () => {
    const empty = {
      size: 0,
      records: 0,
      plainSize: 0,
      key: null,
      object: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    }
    const encrypted = {
      codec: "zstd",
      encryption: "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM",
      dek: "k-1",
      fidelity: "sampled",
      params: null,
      recordsRoot: "00".repeat(32)
    }
    for (const change of [empty, encrypted]) {
      const changed = { ...object, ...change } as Entry
      assert.deepStrictEqual(parseEntry(printEntry(changed)), changed)
    }
  })

  it("refuses an entry beyond 65 535 bytes in both directions", () => {
    const longest = (source: string) => ({ ...object, source }) as Entry
    const spare = 65_535 - printEntry(longest("x")).length + 1
    assert.strictEqual(printEntry(longest("x".repeat(spare))).length, 65_535)
    assert.throws(() => printEntry(longest("x".repeat(spare + 1))), /65536 bytes/)
    const text = new TextDecoder().decode(printEntry(longest("x".repeat(spare))))
    assert.throws(() => parseEntry(encode(text.replace("source x", "source xx"))), /65536 bytes/)
  })

  it("names the line that is wrong", () => {
    const lines = golden.entries[2]?.text ?? ""
    const lineOf = (changed: string) => {
      try {
        parseEntry(encode(changed))
      } catch (error) {
        return error instanceof MalformedError ? error.line : undefined
      }
      return undefined
    }
    assert.strictEqual(lineOf(lines.replace("seq 0", "seq 00")), 4)
    assert.strictEqual(lineOf(lines.replace("fidelity complete", "fidelity all")), 20)
    assert.strictEqual(lineOf(`${lines}extra\n`), 23)
    assert.strictEqual(lineOf(lines.replace("kind object\n", "")), 5)
  })

  it("refuses CRLF, a BOM, upper-case hex and a reordered line", () => {
    const lines = golden.entries[2]?.text ?? ""
    const bytes = (value: string) => new TextEncoder().encode(value)
    assert.throws(() => parseEntry(bytes(lines.replaceAll("\n", "\r\n"))), MalformedError)
    assert.throws(() => parseEntry(bytes(`\uFEFF${lines}`)), MalformedError)
    assert.throws(() => parseEntry(bytes(lines.replace("ebcf", "EBCF"))), MalformedError)
    assert.throws(() => parseEntry(bytes(lines.replace("codec identity\nenc none", "enc none\ncodec identity"))))
    assert.throws(() => parseEntry(bytes(lines.replace("seq 0\n", "seq 0\nseq 0\n"))), MalformedError)
  })
})

describe("documents", () => {
  const policy = parsePolicy(decode(noteText("rainlogs-policy/v1")))
  const refused = (change: Partial<Policy>) =>
    assert.throws(() => printPolicy({ ...policy, ...change }), MalformedError)

  it("keeps the retention classes sorted behind the default, and none below the minimum", () => {
    const rules = [{ class: "default", days: 395 }, { class: "audit", days: 3650 }, { class: "waf", days: 200 }]
    const text = printPolicy({ ...policy, retention: rules })
    assert.deepStrictEqual(parsePolicy(text).retention, rules)
    refused({ retention: [] })
    refused({ retention: rules.slice(1) })
    refused({ retention: rules.toReversed() })
    refused({ retention: [{ class: "default", days: 179 }] })
    refused({ approvers: [...policy.approvers, ...policy.approvers] })
    refused({ version: 0 })
  })

  it("refuses an unsorted or repeated head in a heartbeat", () => {
    const heartbeat = parseHeartbeat(decode(document("rainlogs-heartbeat/v1")))
    const [first, second] = heartbeat.heads
    if (first === undefined || second === undefined) throw new Error("the vector has two heads")
    assert.throws(() => printHeartbeat({ ...heartbeat, heads: [second, first] }), MalformedError)
    assert.throws(() => printHeartbeat({ ...heartbeat, heads: [first, first] }), MalformedError)
  })

  it("refuses a gap that ends before it begins, and tells a dash from no detail", () => {
    const parsed = parseGap(decode(gap))
    assert.throws(() => printGap({ ...parsed, to: parsed.from }), MalformedError)
    assert.throws(() => printGap({ ...parsed, detail: "-" }), MalformedError)
    assert.throws(() => printGap({ ...parsed, detail: "two\nlines" }), MalformedError)
    assert.strictEqual(parseGap(printGap({ ...parsed, detail: null })).detail, null)
  })

  it("keeps the targets of a tombstone sorted by chain and number, and its evidence optional", () => {
    const tombstone = parseTombstone(decode(noteText("rainlogs-tombstone/v1")))
    const [target] = tombstone.targets
    if (target === undefined || tombstone.done === null) throw new Error("the vector is a done tombstone with a target")
    const targets = [{ ...target, seq: 9 }, { ...target, seq: 10 }]
    assert.deepStrictEqual(parseTombstone(printTombstone({ ...tombstone, targets })).targets, targets)
    assert.throws(() => printTombstone({ ...tombstone, targets: targets.toReversed() }), MalformedError)
    assert.throws(() => printTombstone({ ...tombstone, targets: [] }), MalformedError)
    const done = { ...tombstone.done, evidence: "11".repeat(32) }
    assert.deepStrictEqual(parseTombstone(printTombstone({ ...tombstone, done })).done, done)
  })
})

describe("hex and base64", () => {
  it("accept only their canonical form", () => {
    assert.deepStrictEqual(Hex.decode("00ff", 2), Uint8Array.of(0, 255))
    for (const bad of ["0", "0G", "FF", " 00", "00 "]) assert.throws(() => Hex.decode(bad), MalformedError)
    assert.throws(() => Hex.decode("00ff", 3), MalformedError)
    for (let length = 0; length < 70; length++) {
      const bytes = Uint8Array.from({ length }, (_, index) => (index * 37) & 0xff)
      assert.deepStrictEqual(Base64.decode(Base64.encode(bytes)), bytes)
    }
    for (const bad of ["AA", "AA=", "AB==", "AAB=", "A===", "AA==\n", " AA==", "AA-_", "AAA=AAAA"]) {
      assert.throws(() => Base64.decode(bad), MalformedError)
    }
  })
})

function encodeUtf8(value: string | undefined): Uint8Array {
  return new TextEncoder().encode(value ?? "")
}
