/**
 * `rainlogs pipeline test`: what it says of a sample, and how it ends.
 */
import { assert, describe, it } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { run } from "./ServeProcess.ts"

const rules = {
  format: "rainlogs-pipeline/v1",
  rules: [
    { rule: "drop", when: { field: "s", equals: 204 } },
    { rule: "truncate-ip", field: "ip" },
    { rule: "pseudonymise", field: "u", rotate: "never", missing: "ignore" }
  ]
}

describe("rainlogs pipeline test", { timeout: 120_000 }, () => {
  it("shows every line before and after, and ends with 2 where a rule cannot be applied", async () => {
    const directory = mkdtempSync(join(tmpdir(), "rainlogs-pipeline-"))
    try {
      const file = (name: string, text: string) => {
        writeFileSync(join(directory, name), text)
        return join(directory, name)
      }
      const path = file("rules.json", JSON.stringify(rules))
      const good = "{\"ip\":\"192.0.2.1\",\"u\":\"a\"}\n{\"ip\":\"192.0.2.2\",\"s\":204}\n"
      const fits = await run(["pipeline", "test", path, file("good", good), "--json"])
      assert.strictEqual(fits.code, 0, fits.stderr)
      const [first, second, counts] = fits.stdout.trim().split("\n").map((line) => JSON.parse(line))
      assert.deepInclude(first, { line: 1, outcome: "edited", before: "{\"ip\":\"192.0.2.1\",\"u\":\"a\"}" })
      assert.match(first.after, /^\{"ip":"192\.0\.2\.0","u":"p1:never:[0-9a-f]{32}"\}$/)
      assert.deepInclude(second, { line: 2, outcome: "dropped", after: null })
      assert.deepInclude(counts, { lines: 2, kept: 1, dropped: 1, edited: 1, failed: 0 })

      const faulty = await run(["pipeline", "test", path, file("faulty", `${good}{"Ip":1}`)])
      assert.strictEqual(faulty.code, 2)
      assert.include(faulty.stdout, "3 ! line 3 does not have the field (field ip)")

      const wrong = file("wrong.json", JSON.stringify({ ...rules, rules: [{ rule: "redact", field: "a", wiht: 1 }] }))
      const refused = await run(["pipeline", "test", wrong, join(directory, "good")])
      assert.strictEqual(refused.code, 1)
      assert.include(refused.stderr, "[\"rules\"][0][\"wiht\"]")
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })
})
