import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { configurationDocument } from "../src/ConfigurationDocument.ts"
import { current, refuseUnknown, settings } from "../src/Settings.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))

describe("settings", () => {
  it("lists every variable the sources read, and no other", () => {
    const read = new Set<string>()
    for (const file of globSync(["packages/{core,server}/src/**/*.ts", "appliance/src/**/*.ts"], { cwd: root })) {
      if (file.endsWith("Settings.ts")) continue
      for (
        const [name] of readFileSync(`${root}/${file}`, "utf8").matchAll(
          /"(RAINLOGS_[A-Z0-9_]*[A-Z0-9]|DATABASE_URL)"/g
        )
      ) {
        read.add(name.slice(1, -1))
      }
    }
    assert.sameMembers([...read], settings.map(({ name }) => name))
  })

  it("docs/configuration.md is made from them (npm run configuration)", () => {
    assert.strictEqual(readFileSync(`${root}/docs/configuration.md`, "utf8"), configurationDocument())
  })

  it("never shows a secret", () => {
    process.env["RAINLOGS_MASTER_KEY"] = "do not print me"
    try {
      const setting = settings.find(({ name }) => name === "RAINLOGS_MASTER_KEY")!
      assert.deepStrictEqual(current(setting), { value: "(secret)", origin: "environment" })
    } finally {
      delete process.env["RAINLOGS_MASTER_KEY"]
    }
  })

  it.effect("an unknown variable is an error that names it", () =>
    Effect.gen(function*() {
      process.env["RAINLOGS_MASTERKEY"] = "x"
      const error = yield* Effect.flip(refuseUnknown)
      assert.include(error.message, "RAINLOGS_MASTERKEY")
      assert.notInclude(error.message, "RAINLOGS_MASTER_KEY")
    }).pipe(Effect.ensuring(Effect.sync(() => delete process.env["RAINLOGS_MASTERKEY"]))))
})
