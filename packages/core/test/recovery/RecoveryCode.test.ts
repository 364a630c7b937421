import { assert, describe, it } from "@effect/vitest"
import { createHash, randomBytes } from "node:crypto"
import {
  parseRecoveryCode,
  printRecoveryCode,
  RecoveryCodeWrong,
  type RecoverySecrets,
  scannedRecoveryCode
} from "../../src/recovery/RecoveryCode.ts"

const key = () => new Uint8Array(randomBytes(32))
const both = (): RecoverySecrets => ({ wrappingKey: key(), masterKey: key() })
const refusal = (text: string): string => {
  try {
    parseRecoveryCode(text)
  } catch (error) {
    assert.instanceOf(error, RecoveryCodeWrong)
    return error.message
  }
  throw new Error("accepted")
}

describe("the recovery code", () => {
  it("is read back from a sheet, from a scan and from what people type", () => {
    for (let round = 0; round < 50; round++) {
      for (const secrets of [both(), { wrappingKey: key(), masterKey: null }]) {
        const code = printRecoveryCode(secrets)
        const rows = code.split("\n").slice(1, -1)
        for (
          const text of [
            code,
            `Some words 12 before\n${code}\nand after`,
            scannedRecoveryCode(secrets),
            rows.join("\r\n").toLowerCase(),
            rows.map((row) => row.slice(3).replaceAll("-", " ")).join("\n"),
            rows.map((row) => row.slice(3).replaceAll("O", "0").replaceAll("I", "1").replaceAll("B", "8")).join("\n")
          ]
        ) assert.deepStrictEqual(parseRecoveryCode(text), secrets)
        assert.match(scannedRecoveryCode(secrets), /^[0-9A-Z $%*+\-./:]+$/)
      }
    }
  })

  it("has this one form", () => {
    const secrets = {
      wrappingKey: Uint8Array.from({ length: 32 }, (_, index) => index),
      masterKey: Uint8Array.from({ length: 32 }, (_, index) => 255 - index)
    }
    const check = createHash("sha256").update("rainlogs-recovery/v1\nrow 1\n").update(
      secrets.wrappingKey.subarray(0, 8)
    )
      .digest().subarray(0, 2)
    const bits = [...secrets.wrappingKey.subarray(0, 8), ...check].map((byte) => byte.toString(2).padStart(8, "0"))
    const expected = (bits.join("").match(/.{5}/g) ?? []).map((five) =>
      "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[Number.parseInt(five, 2)]
    ).join("")
    const rows = printRecoveryCode(secrets).split("\n")
    assert.lengthOf(rows, 11)
    assert.strictEqual(rows[1]?.replace("1: ", "").replaceAll("-", ""), expected)
  })

  it("names the row of every single typing error, and of exchanged rows", () => {
    const secrets = both()
    const rows = printRecoveryCode(secrets).split("\n").slice(1, -1)
    for (const [index, row] of rows.entries()) {
      for (let at = 3; at < row.length; at++) {
        if (row[at] === "-") continue
        const changed = rows.with(index, `${row.slice(0, at)}${row[at] === "A" ? "C" : "A"}${row.slice(at + 1)}`)
        assert.include(refusal(changed.join("\n")), `row ${index + 1}`)
        assert.include(refusal(rows.with(index, row.slice(0, at) + row.slice(at + 1)).join("\n")), `row ${index + 1}`)
        assert.include(
          refusal(rows.with(index, `${row.slice(0, at)}9${row.slice(at + 1)}`).join("\n")),
          `row ${index + 1}`
        )
      }
    }
    const bare = rows.map((row) => row.slice(3))
    assert.match(refusal(bare.with(0, bare[1]!).with(1, bare[0]!).join("\n")), /row 1, 2/)
    const other = printRecoveryCode(both()).split("\n").slice(1, -1)
    assert.match(refusal(rows.with(2, other[2]!).join("\n")), /two sheets/)
    assert.match(refusal(""), /0 characters/)
    assert.match(refusal(rows.slice(0, -1).join("\n")), /128 characters instead of 72 or 136/)
  })

  it("tells nothing of the code in its errors", () => {
    const rows = printRecoveryCode(both()).split("\n").slice(1, -1)
    const text = refusal(rows.with(4, rows[4]!.slice(0, -1) + "9").join("\n"))
    for (const group of rows.flatMap((row) => row.slice(3).split("-"))) assert.notInclude(text, group)
  })
})
