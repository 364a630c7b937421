import { execFileSync, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, describe, it } from "vitest"
import { random } from "../../src/tampering/Random.ts"
import { RandomArchive } from "../../src/tampering/RandomArchive.ts"
import { printVerifierKey } from "../../src/VerifierKey.ts"
import { largeArchive, log, smallArchive, writeArchive } from "../ArchiveBuilder.ts"
import { judge } from "../Campaign.ts"
import type { ArchiveFiles } from "../MemoryReader.ts"

const script = fileURLToPath(new URL("check-archive.mjs", import.meta.url))
const vkey = printVerifierKey(log.key)
const base = mkdtempSync(join(tmpdir(), "rainlogs-check-"))
afterAll(() => rmSync(base, { recursive: true, force: true }))

let directories = 0
const written = (files: ArchiveFiles): string => {
  const directory = join(base, String(directories++))
  writeArchive(directory, files)
  return directory
}
const check = (directory: string) =>
  spawnSync(process.execPath, [script, directory, vkey], { encoding: "utf8", timeout: 30_000 })

describe("the independent check", () => {
  it("shares no code with the package", () => {
    const imports = [...readFileSync(script, "utf8").matchAll(/from "([^"]+)"/g)].map(([, name]) => name)
    assert.deepStrictEqual(imports, ["node:crypto", "node:fs", "node:path"])
  })

  it.each([
    ["a small archive", () => smallArchive().files, /^18 entries in 2 chains, 10 objects, 6 documents/],
    ["an archive with full tiles", () => largeArchive(6).files, /^368 entries in 2 chains/],
    ["a random archive", () => new RandomArchive(random(5)).grow(60).publish("whole").files, /all as signed/]
  ])("agrees with the verifier on %s", async (_, make, said) => {
    const files = make()
    assert.strictEqual((await judge(files)).verdict.integrity, "PASS")
    const { status, stdout } = check(written(files))
    assert.match(stdout, said)
    assert.strictEqual(status, 0, stdout)
  })

  it("finds a changed byte in every kind of file", () => {
    const directory = written(smallArchive().files)
    const files = execFileSync("find", [directory, "-type", "f"], { encoding: "utf8" }).trim().split("\n")
    assert.isAbove(files.length, 20)
    for (const path of files) {
      const bytes = readFileSync(path)
      const at = path.includes("/checkpoint") ? 3 : bytes.length - 2
      writeFileSync(path, bytes.map((byte, index) => index === at ? byte ^ 1 : byte))
      const { status, stdout } = check(directory)
      assert.strictEqual(status, 1, `${path}: ${stdout}`)
      writeFileSync(path, bytes)
    }
    assert.strictEqual(check(directory).status, 0)
  }, 60_000)

  it("finds a missing object and another log's key", () => {
    const { files } = smallArchive()
    files.delete([...files.keys()].find((key) => key.startsWith("logs/")) ?? "")
    assert.match(check(written(files)).stdout, /is missing/)
    assert.strictEqual(spawnSync(process.execPath, [script, base, "nonsense"]).status, 2)
  })
})
