import { assert, describe, it } from "@effect/vitest"
import { MalformedError } from "@rainlogs/verify/Malformed"
import { randomBytes } from "node:crypto"
import {
  dekIdOf,
  type KeyRecord,
  keyRecordKey,
  parseKeyRecord,
  printKeyRecord,
  wrappingContext
} from "../../src/secrets/KeyRecord.ts"

const job = "01980000-0000-7000-8000-000000000010"
const object = "ab".repeat(32)
const record: KeyRecord = {
  origin: "archive.example.eu/t/6f1c1e0e-3b1a-4c37-8a55-0d5b7e9a2f10",
  job,
  dek: dekIdOf(job, object),
  kek: "0123456789abcdef",
  object,
  records: 2,
  plainSize: 118,
  params: null,
  fidelity: "complete",
  codec: "zstd",
  wrapped: randomBytes(60),
  recordsRoot: null,
  wrappedSeed: null
}

describe("KeyRecord", () => {
  it("reads what it prints", () => {
    for (const params of [null, "cd".repeat(32)]) {
      const printed = printKeyRecord({ ...record, params })
      assert.deepStrictEqual({ ...parseKeyRecord(printed), wrapped: [] }, { ...record, params, wrapped: [] })
      assert.deepStrictEqual([...parseKeyRecord(printed).wrapped], [...record.wrapped])
    }
  })

  it("holds records root and seed together, in its second version", () => {
    const recordsRoot = "ef".repeat(32)
    const second = { ...record, recordsRoot, wrappedSeed: new Uint8Array(60).fill(5) }
    const printed = printKeyRecord(second)
    assert.match(Buffer.from(printed).toString(), /^rainlogs-key\/v2\n[^]*\nrecords-root ef.*\nwrapped .*\nseed .*\n$/)
    assert.deepStrictEqual([parseKeyRecord(printed).recordsRoot, parseKeyRecord(printed).wrappedSeed], [
      recordsRoot,
      second.wrappedSeed
    ])
    assert.throws(() => printKeyRecord({ ...record, recordsRoot }), /go together/)
    assert.throws(
      () => parseKeyRecord(Buffer.from(Buffer.from(printed).toString().replace("/v2", "/v1"))),
      MalformedError
    )
  })

  it("is a text of fixed lines", () => {
    const names = Buffer.from(printKeyRecord(record)).toString().trimEnd().split("\n").map((line) => line.split(" ")[0])
    assert.deepStrictEqual(names, [
      "rainlogs-key/v1",
      "origin",
      "job",
      "dek",
      "kek",
      "object",
      "records",
      "plain-size",
      "params",
      "fidelity",
      "codec",
      "wrapped"
    ])
  })

  it("every changed byte is refused or is another record", () => {
    const printed = printKeyRecord(record)
    let refused = 0
    for (let i = 0; i < printed.length; i++) {
      for (const change of [0x01, 0x20, 0x80]) {
        const changed = Uint8Array.from(printed)
        changed[i]! ^= change
        try {
          assert.notDeepEqual(Buffer.from(printKeyRecord(parseKeyRecord(changed))), Buffer.from(printed))
          assert.deepStrictEqual(Buffer.from(printKeyRecord(parseKeyRecord(changed))), Buffer.from(changed))
        } catch (error) {
          if (!(error instanceof MalformedError)) throw error
          refused++
        }
      }
    }
    assert.isAbove(refused, printed.length * 2)
  })

  it("lines added, removed, doubled or ended by CRLF are refused", () => {
    const text = Buffer.from(printKeyRecord(record)).toString()
    const lines = text.trimEnd().split("\n")
    const refuse = (changed: string) => assert.throws(() => parseKeyRecord(Buffer.from(changed)), MalformedError)
    refuse(`${text}extra 1\n`)
    refuse(text.trimEnd())
    refuse(text.replaceAll("\n", "\r\n"))
    for (let i = 0; i < lines.length; i++) {
      refuse(`${lines.toSpliced(i, 1).join("\n")}\n`)
      refuse(`${lines.toSpliced(i, 0, lines[i]!).join("\n")}\n`)
    }
  })

  it("a record under the id of another object is refused", () => {
    assert.throws(() => printKeyRecord({ ...record, object: "cd".repeat(32) }), MalformedError)
    assert.notStrictEqual(dekIdOf(job, object), dekIdOf(job, "cd".repeat(32)))
    assert.match(record.dek, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    assert.strictEqual(keyRecordKey(record.dek), `keys/${record.dek}`)
  })

  it("binds origin, job and key-encryption key with zero bytes between", () => {
    assert.strictEqual(Buffer.from(wrappingContext("a/t/b", "job", "kek")).toString("latin1"), "a/t/b\0job\0kek")
  })
})
