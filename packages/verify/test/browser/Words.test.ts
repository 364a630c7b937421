import { readFileSync } from "node:fs"
import { assert, describe, it } from "vitest"
import { italianSteps } from "../../src/browser/NextStepItalian.ts"
import { wordsFor } from "../../src/browser/Words.ts"
import { entryBytes, objectBytesOf, shareDone } from "../../src/browser/Work.ts"
import { nextStep } from "../../src/NextStep.ts"
import { memoryReader } from "../MemoryReader.ts"

describe("the page's words", () => {
  it("are Italian for Italian, English for every other language", () => {
    assert.deepStrictEqual(["it", "it-CH", "IT-it", "en-GB", "de", ""].map((language) => wordsFor(language).language), [
      "it",
      "it",
      "it",
      "en",
      "en",
      "en"
    ])
  })

  it("say what to do about every code in both languages", () => {
    const source = readFileSync(new URL("../../src/NextStep.ts", import.meta.url), "utf8")
    const codes = [...source.matchAll(/^ {2}([A-Z_]+):/gm)].map(([, code = ""]) => code)
    assert.isAbove(codes.length, 40)
    assert.deepStrictEqual(Object.keys(italianSteps).sort(), codes.sort())
    for (const code of codes) {
      assert.strictEqual(wordsFor("en").step(code), nextStep(code))
      assert.notStrictEqual(wordsFor("it").step(code), nextStep(code), code)
    }
    assert.isNull(wordsFor("it").step("GAP_DECLARED"))
  })
})

describe("the share of the work that is done", () => {
  it("counts bytes of objects as well as entries", async () => {
    const files = new Map([["logs/a", new Uint8Array(10)], ["logs/b", new Uint8Array(5)], ["other", new Uint8Array(9)]])
    assert.strictEqual(await objectBytesOf(memoryReader(files)), 15)
    const work = { entries: 2, totalEntries: 2, objectBytes: 0, totalObjectBytes: 6 * entryBytes }
    assert.strictEqual(shareDone(work), 0.25)
    assert.strictEqual(shareDone({ ...work, objectBytes: 3 * entryBytes }), 0.625)
    assert.strictEqual(shareDone({ ...work, objectBytes: 6 * entryBytes }), 1)
    assert.strictEqual(shareDone({ entries: 0, totalEntries: 0, objectBytes: 0, totalObjectBytes: 0 }), 0)
  })
})
