import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"

/** A clone with nothing but the installer, and an `npm` that does what the test says. */
describe("installing the dependencies", () => {
  let clone: string
  const marker = () => join(clone, "node_modules", ".rainlogs-installed")
  const unfinished = () => join(clone, "node_modules", ".rainlogs-installing")
  const half = () => join(clone, "node_modules", "half")
  const calls = () => existsSync(join(clone, "calls")) ? readFileSync(join(clone, "calls"), "utf8").length : 0

  const npmIs = (script: string) => {
    mkdirSync(join(clone, "bin"), { recursive: true })
    writeFileSync(join(clone, "bin", "npm"), `#!/bin/sh\nprintf x >> calls\n${script}\n`)
    chmodSync(join(clone, "bin", "npm"), 0o755)
  }

  const start = (): ChildProcess & {
    readonly ended: Promise<{ readonly code: number | null; readonly text: string }>
  } => {
    const child = spawn(process.execPath, [
      "--input-type=module",
      "-e",
      "(await import('./scripts/install.mjs')).install()"
    ], {
      cwd: clone,
      env: { ...process.env, PATH: `${join(clone, "bin")}${delimiter}${process.env["PATH"]}` },
      stdio: ["ignore", "ignore", "pipe"]
    })
    let text = ""
    child.stderr.on("data", (chunk) => text += chunk)
    const ended = new Promise<{ readonly code: number | null; readonly text: string }>((resolve, reject) => {
      child.on("error", reject)
      child.on("close", (code) => resolve({ code, text }))
    })
    return Object.assign(child, { ended })
  }

  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10))
  }

  beforeEach(() => {
    clone = mkdtempSync(join(tmpdir(), "rainlogs-installation-"))
    mkdirSync(join(clone, "scripts"))
    cpSync(fileURLToPath(new URL("../../scripts/install.mjs", import.meta.url)), join(clone, "scripts", "install.mjs"))
    writeFileSync(join(clone, "package-lock.json"), "{}")
  })
  afterEach(() => rmSync(clone, { recursive: true, force: true }))

  it("runs npm once, and again when the lockfile changes", async () => {
    npmIs("exit 0")
    assert.strictEqual((await start().ended).code, 0)
    assert.strictEqual((await start().ended).code, 0)
    assert.strictEqual(calls(), 1)
    writeFileSync(join(clone, "package-lock.json"), "{ }")
    assert.strictEqual((await start().ended).code, 0)
    assert.strictEqual(calls(), 2)
    assert.isFalse(existsSync(unfinished()))
  })

  it("an npm that fails ends it with npm's status and says what to look at; the tree is left as npm left it", async () => {
    npmIs("mkdir -p node_modules/half; exit 7")
    const { code, text } = await start().ended
    assert.strictEqual(code, 7)
    assert.include(text, "registry")
    assert.isFalse(existsSync(marker()))
    assert.isFalse(existsSync(unfinished()))
    assert.isTrue(existsSync(half()))
  })

  it("what a killed installation left is cleared away before the next one", async () => {
    npmIs("mkdir -p node_modules/half; echo $$ > npm.pid; exec sleep 60")
    const first = start()
    await until(() => existsSync(join(clone, "npm.pid")))
    first.kill("SIGKILL")
    await until(() => first.signalCode !== null)
    process.kill(Number(readFileSync(join(clone, "npm.pid"), "utf8")), "SIGKILL")
    await first.ended
    npmIs("test ! -e node_modules/half")
    const { code, text } = await start().ended
    assert.strictEqual(code, 0, text)
    assert.include(text, "interrupted")
    assert.isTrue(existsSync(marker()))
    assert.isFalse(existsSync(unfinished()))
  }, 20_000)

  it("two commands at once install once", async () => {
    npmIs("sleep 1")
    const first = start()
    await until(() => existsSync(unfinished()))
    const second = start()
    const [one, two] = await Promise.all([first.ended, second.ended])
    assert.deepStrictEqual([one.code, two.code], [0, 0])
    assert.include(two.text, `Waiting for process ${first.pid}`)
    assert.strictEqual(calls(), 1)
  }, 20_000)
})
