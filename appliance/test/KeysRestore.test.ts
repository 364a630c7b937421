import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { lock } from "@rainlogs/core/ledger/SignerLock"
import { parseRecoveryCode } from "@rainlogs/core/recovery/RecoveryCode"
import { checkpointArchiveKey, ledgerPrefix } from "@rainlogs/verify/Layout"
import { Effect, Layer } from "effect"
import { createHash, randomBytes } from "node:crypto"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Appliance from "../src/Appliance.ts"
import { DataDirectory } from "../src/DataDirectory.ts"
import * as DemoClient from "../src/demo/DemoClient.ts"
import { rainlogs } from "./KeysCommand.ts"

const root = mkdtempSync(join(tmpdir(), "rainlogs-keys-restore-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const data = join(root, "data")
const sheet = join(root, "sheet.txt")
const masterKey = randomBytes(32).toString("base64")
const env = { RAINLOGS_MASTER_KEY: masterKey }
let origin = ""
let size = 0

const idOf = (text: string) => createHash("sha256").update(text).digest("hex")
const checkpoints = (path: string) => join(path, "archive", ledgerPrefix(origin), "checkpoint.d")

// An appliance whose master key comes from the environment, with one customer; its ledger is published.
beforeAll(async () => {
  process.env.RAINLOGS_MASTER_KEY = masterKey
  const customer = await Effect.gen(function*() {
    const { url } = yield* Appliance.ApiAddress
    const customer = yield* DemoClient.createCustomer(url, yield* Appliance.adminToken)
    for (;;) {
      const path = join(data, "archive", ledgerPrefix(customer.origin), "checkpoint.d")
      const found = yield* Effect.sync(() => {
        try {
          return readdirSync(path)
        } catch {
          return []
        }
      })
      if (found.length > 0) break
      yield* Effect.sleep("100 millis")
    }
    return customer
  }).pipe(
    Effect.provide(
      Appliance.layer({ host: "127.0.0.1", port: 0 }).pipe(
        Layer.provideMerge(Layer.provideMerge(DataDirectory.layer(data), NodeServices.layer))
      )
    ),
    Effect.scoped,
    Effect.runPromise
  )
  delete process.env.RAINLOGS_MASTER_KEY
  origin = customer.origin
  size = Number(readdirSync(checkpoints(data)).toSorted().at(-1))
  const made = await rainlogs(["keys", "sheet", "--data", data, "--show"], { env })
  assert.strictEqual(made.code, 0, made.stderr)
  writeFileSync(sheet, made.stdout)
}, 120_000)

let copies = 0
const lost = (): string => {
  const path = join(root, `lost-${copies++}`)
  mkdirSync(path)
  cpSync(join(data, "archive"), join(path, "archive"), { recursive: true })
  return path
}
const restore = (path: string, environment: NodeJS.ProcessEnv = env) =>
  rainlogs(["keys", "restore", "--data", path, "--sheet", sheet], { env: environment })
const signerFile = (path: string, end: string) => join(path, "signer", `${idOf(origin)}.${end}`)

describe("a master key in the environment", () => {
  it("is not on the sheet, and is needed to restore; it is not written", async () => {
    const text = readFileSync(sheet, "utf8")
    assert.isNull(parseRecoveryCode(text).masterKey)
    assert.include(text, "RAINLOGS_MASTER_KEY")
    const path = lost()
    const without = await restore(path, {})
    assert.strictEqual(without.code, 1)
    assert.match(without.stderr, /RAINLOGS_MASTER_KEY; set that/)
    const other = await restore(path, { RAINLOGS_MASTER_KEY: randomBytes(32).toString("base64") })
    assert.strictEqual(other.code, 1)
    assert.match(other.stderr, /another master key/)
    const done = await restore(path)
    assert.strictEqual(done.code, 0, done.stderr)
    assert.notInclude(readdirSync(join(path, "secrets")), "master.key")
    assert.deepStrictEqual(readFileSync(signerFile(path, "keys")), readFileSync(signerFile(data, "keys")))
    const state = readFileSync(signerFile(path, "state"), "utf8")
    assert.include(state, `\nsize ${size}\n`)
    assert.strictEqual(
      state.split("\n").find((line) => line.startsWith("root")),
      readFileSync(signerFile(data, "state"), "utf8").split("\n").find((line) => line.startsWith("root"))
    )
  }, 120_000)
})

describe("rainlogs keys restore refuses", () => {
  it("an archive without sealed keys, and a place without an archive", async () => {
    const path = lost()
    rmSync(join(path, "archive", "catalog", "signer"), { recursive: true })
    const bare = await restore(path)
    assert.strictEqual(bare.code, 1)
    assert.match(bare.stderr, /no sealed keys/)
    const nowhere = await restore(join(root, "nowhere"))
    assert.strictEqual(nowhere.code, 1)
    assert.match(nowhere.stderr, /no data directory/)
  }, 120_000)

  it("an archive whose newest head none of the sealed keys signed", async () => {
    const path = lost()
    const head = join(path, "archive", checkpointArchiveKey(origin, size))
    const bytes = readFileSync(head, "latin1")
    rmSync(head)
    writeFileSync(head, bytes.replace(/\n\d+\n/, `\n${size}9\n`), "latin1")
    const forged = await restore(path)
    assert.strictEqual(forged.code, 1)
    assert.match(forged.stderr, /newest head/)
    assert.deepStrictEqual(readdirSync(join(path, "signer")), [])
  }, 120_000)

  it("an archive that ends before a checkpoint that was kept, or has another root", async () => {
    const path = lost()
    const kept = join(root, "kept")
    const head = readFileSync(join(path, "archive", checkpointArchiveKey(origin, size)), "latin1")
    const pinned = (bytes: string) => {
      writeFileSync(kept, bytes, "latin1")
      return rainlogs(["keys", "restore", "--data", path, "--sheet", sheet, "--pin", kept], { env })
    }
    for (
      const [bytes, says] of [
        [head.replace(/\n\d+\n/, `\n${size + 1}\n`), /older copy/],
        [head.replace(/\n[A-Za-z0-9+/]{43}=\n/, `\n${Buffer.alloc(32, 7).toString("base64")}\n`), /another root/],
        [head.replaceAll(origin, origin.replace(/.$/, (last) => last === "0" ? "1" : "0")), /no keys of/],
        ["no checkpoint", /note/]
      ] as const
    ) {
      const refused = await pinned(bytes)
      assert.strictEqual(refused.code, 1)
      assert.match(refused.stderr, says)
      assert.deepStrictEqual(readdirSync(join(path, "signer")), [])
    }
    const done = await pinned(head)
    assert.strictEqual(done.code, 0, done.stderr)
  }, 120_000)

  it("to replace other keys, and to forget what was signed after the copy was made", async () => {
    const path = lost()
    cpSync(join(data, "signer"), join(path, "signer"), { recursive: true })
    rmSync(join(path, "signer", "lock"), { force: true })
    const wrapping = join(path, "signer", "wrapping.key")
    const own = readFileSync(wrapping)
    rmSync(wrapping)
    writeFileSync(wrapping, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 })
    const other = await restore(path)
    assert.strictEqual(other.code, 1)
    assert.match(other.stderr, /another wrapping key/)
    writeFileSync(wrapping, own)

    // The archive is an older copy: its newest checkpoints are missing.
    const state = readFileSync(signerFile(path, "state"))
    rmSync(join(path, "archive", checkpointArchiveKey(origin, size)))
    rmSync(join(path, "archive", ledgerPrefix(origin), "checkpoint"))
    const again = await restore(path)
    assert.strictEqual(again.code, 0, again.stderr)
    assert.deepStrictEqual(readFileSync(signerFile(path, "state")), state)
  }, 120_000)

  it("to run beside a process that uses the signer", async () => {
    const path = lost()
    mkdirSync(join(path, "signer"))
    const held = await lock(join(path, "signer", "lock"))
    const beside = await restore(path)
    await held.release()
    assert.strictEqual(beside.code, 1)
    assert.match(beside.stderr, /is held by/)
  }, 120_000)
})
