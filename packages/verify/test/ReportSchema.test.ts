import { Ajv2020 } from "ajv/dist/2020.js"
import { readFileSync } from "node:fs"
import { assert, describe, it } from "vitest"
import { exitCode, questions, type Report } from "../src/Report.ts"
import { random } from "../src/tampering/Random.ts"
import { clock, smallArchive } from "./ArchiveBuilder.ts"
import type { ArchiveFiles } from "./MemoryReader.ts"
import { mutations } from "./Mutations.ts"
import { verify } from "./Verification.ts"

const schema = JSON.parse(readFileSync(new URL("../report.schema.json", import.meta.url), "utf8")) as object
const validate = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true }).compile(schema)
const printed = (report: Report): unknown =>
  JSON.parse(JSON.stringify({ ...report, asked: questions, exitCode: exitCode(report) }))

describe("report.schema.json", () => {
  it("describes the reports of valid and of ruined archives", async () => {
    const original = smallArchive()
    const other = smallArchive().files
    const choices = random(7)
    const severities = new Set<string>()
    for (let round = 0; round < 60; round++) {
      const files: ArchiveFiles = new Map(original.files)
      if (round > 0) choices.one(Object.values(mutations))({ files, original, other }, choices)
      const report = await verify(files)
      for (const { severity } of report.findings) severities.add(severity)
      assert.isTrue(validate(printed(report)), JSON.stringify(validate.errors))
    }
    assert.includeMembers([...severities], ["fail", "malformed", "inconclusive", "notice"])
  })

  it("refuses what is no report of this version", async () => {
    const report = printed(await verify(smallArchive().files)) as Record<string, unknown>
    assert.isFalse(validate({ ...report, schema: "rainlogs-report/v2" }))
    assert.isFalse(validate({ ...report, key: clock.key.name }))
    assert.isFalse(validate({ ...report, verdict: { integrity: "PASS" } }))
    assert.isFalse(validate({ ...report, findings: [{ code: "X" }] }))
  })
})
