import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, describe, it } from "@effect/vitest"
import type { CreatedCustomer } from "@rainlogs/core/api/CustomersApi"
import { defaultPlanning } from "@rainlogs/core/archive/PlanWindows"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId } from "@rainlogs/core/domain/Identifier"
import { parseRecoveryCode, printRecoveryCode, scannedRecoveryCode } from "@rainlogs/core/recovery/RecoveryCode"
import { ledgerPrefix } from "@rainlogs/verify/Layout"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { verifyArchive } from "@rainlogs/verify/VerifyArchive"
import { Effect, Layer, Redacted, Schema } from "effect"
import jsQR from "jsqr"
import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Appliance from "../src/Appliance.ts"
import { DataDirectory } from "../src/DataDirectory.ts"
import * as DemoClient from "../src/demo/DemoClient.ts"
import * as DemoZone from "../src/demo/DemoZone.ts"
import { awaitRound } from "../src/demo/FirstRound.ts"
import { qrText } from "../src/recovery/QrText.ts"
import { rainlogs } from "./KeysCommand.ts"

const root = mkdtempSync(join(tmpdir(), "rainlogs-keys-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const Shown = Schema.fromJsonString(Schema.Array(Schema.Struct({
  customer: Schema.String,
  origin: Schema.String,
  keys: Schema.Array(Schema.Struct({
    version: Schema.Int,
    entry: Schema.Int,
    document: Schema.String,
    fromSize: Schema.Int,
    chained: Schema.String,
    id: Schema.String,
    log: Schema.String,
    clock: Schema.String,
    revoked: Schema.Array(Schema.Struct({ id: Schema.String, since: Schema.String, reason: Schema.String }))
  }))
})))

const show = (data: string) =>
  Effect.gen(function*() {
    const { code, stderr, stdout } = yield* Effect.promise(() => rainlogs(["keys", "show", "--data", data, "--json"]))
    assert.strictEqual(code, 0, stderr)
    return yield* Schema.decodeUnknownEffect(Shown)(stdout)
  })

const run = (...args: ReadonlyArray<string>) => Effect.promise(() => rainlogs(args))

// The pixels of blocks, eight a module, as a camera would see them.
const scan = (lines: ReadonlyArray<string>): string | undefined => {
  const modules = lines.flatMap((line) => [
    [...line].map((block) => block === "\u2588" || block === "\u2580"),
    [...line].map((block) => block === "\u2588" || block === "\u2584")
  ])
  const [scale, width] = [8, Math.max(...modules.map((row) => row.length))]
  const pixels = new Uint8ClampedArray(width * scale * modules.length * scale * 4).fill(255)
  for (let y = 0; y < modules.length * scale; y++) {
    for (let x = 0; x < width * scale; x++) {
      if (modules[Math.floor(y / scale)]?.[Math.floor(x / scale)] !== true) continue
      pixels.fill(0, (y * width * scale + x) * 4, (y * width * scale + x) * 4 + 3)
    }
  }
  return jsQR.default(pixels, width * scale, modules.length * scale)?.data
}

describe("the QR code of the sheet", () => {
  it("carries the code, on paper and on a dark terminal", () => {
    for (const masterKey of [null, new Uint8Array(randomBytes(32))]) {
      const code = scannedRecoveryCode({ wrappingKey: new Uint8Array(randomBytes(32)), masterKey })
      for (const ground of ["paper", "terminal"] as const) {
        const lines = qrText(code, ground)
        assert.strictEqual(scan(lines), code, ground)
        assert.isAtMost(lines[0]!.length, 80)
      }
    }
  })
})

describe("rainlogs serve", () => {
  it("makes the sheet at the first start only, mode 0600, and says nothing of what is on it", async () => {
    const data = join(root, "served")
    const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))
    const start = async () => {
      const child = spawn(process.execPath, [main, "serve", "--data", data, "--port", "0"])
      let said = ""
      const until = new Promise<void>((resolve, reject) => {
        const hear = (chunk: unknown) => {
          said += String(chunk)
          if (/Rainlogs answers/.test(said)) resolve()
        }
        child.stdout.on("data", hear)
        child.stderr.on("data", hear)
        child.once("exit", (code) => reject(new Error(`ended with ${code}: ${said}`)))
      })
      await until
      // The sheet is written right after; stopping in order waits for nothing, so it is waited for here.
      for (let wait = 0; wait < 600 && !existsSync(join(data, "secrets", "recovery-sheet.id")); wait++) {
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      await new Promise((resolve) => setTimeout(resolve, 300))
      child.removeAllListeners("exit")
      const gone = new Promise((resolve) => child.once("close", resolve))
      child.kill("SIGTERM")
      await gone
      return said
    }
    const path = join(data, "recovery-sheet.txt")
    const first = await start()
    assert.include(first, path)
    assert.strictEqual(statSync(path).mode & 0o777, 0o600)
    const sheet = readFileSync(path, "utf8")
    const secrets = parseRecoveryCode(sheet)
    assert.deepStrictEqual(Buffer.from(secrets.masterKey!), readFileSync(join(data, "secrets", "master.key")))
    assert.strictEqual(
      Buffer.from(secrets.wrappingKey).toString("hex"),
      readFileSync(join(data, "signer", "wrapping.key"), "utf8").trim()
    )
    const groups = printRecoveryCode(secrets).split("\n").slice(1, -1).flatMap((row) => row.slice(3).split("-"))
    rmSync(path)
    const second = await start()
    assert.isFalse(existsSync(path), "a sheet that was put away is not made again")
    for (const group of groups) assert.notInclude(first + second, group)
    assert.notInclude(first + second, Buffer.from(secrets.wrappingKey).toString("hex"))
    assert.notInclude(first + second, Buffer.from(secrets.masterKey!).toString("base64"))
    assert.notInclude(second, "recovery sheet")
  }, 120_000)
})

it.live(
  "keys are rotated and revoked, the disk is lost but for the archive, the sheet brings the keys back, and it goes on",
  () =>
    Effect.gen(function*() {
      const data = join(root, "data")
      const token = "cfut_keys-0123456789abcdef"
      const simulator = yield* DemoZone.simulate(token, "keys")
      const appliance = (path: string) =>
        Appliance.layer({ host: "127.0.0.1", port: 0, settleMs: 90_000, cloudflareBaseUrl: simulator.url }).pipe(
          Layer.provideMerge(Layer.provideMerge(DataDirectory.layer(path), NodeServices.layer))
        )
      const round = (customer: typeof CreatedCustomer.Type) =>
        awaitRound(
          { customer: CustomerId.make(customer.id), origin: Origin.make(customer.origin) },
          defaultPlanning,
          { show: () => {}, clear: () => {} }
        )
      const verdict = (path: string, vkey: string) =>
        Effect.promise(async () => {
          const report = await verifyArchive(await openDirectory(join(path, "archive")), {
            keys: [parseVerifierKey(vkey)]
          })
          return [report.verdict.integrity, report.verdict.completeness, JSON.stringify(report.findings)] as const
        })

      const customer = yield* Effect.gen(function*() {
        const { url } = yield* Appliance.ApiAddress
        const customer = yield* DemoClient.createCustomer(url, yield* Appliance.adminToken)
        yield* DemoClient.createZone(url, customer.apiKey, {
          name: DemoZone.zoneName,
          cloudflareZoneId: DemoZone.cloudflareZoneId,
          token,
          backfillHours: 1
        })
        yield* round(customer)
        // Keys are not changed beside a running appliance.
        const beside = yield* run("keys", "rotate", "--data", data, "--all")
        assert.strictEqual(beside.code, 1)
        assert.match(beside.stderr, /in use|held by|another|already/i)
        return customer
      }).pipe(Effect.provide(appliance(data)))

      for (
        const [args, says] of [
          [["rotate"], /either --customer ID or --all/],
          [["rotate", "--all", "--customer", customer.id], /either --customer ID or --all/],
          [["rotate", "--customer", "00000000-0000-4000-8000-000000000000"], /there is no customer/],
          [["revoke", "--all", "--since", "yesterday"], /no past time/],
          [["revoke", "--all", "--since", "2999-01-01T00:00:00Z"], /no past time/],
          [["revoke", "--all", "--reason", "two words"], /not one word/],
          [["revoke", "--all", "--key", "00000000"], /names no key/]
        ] as const
      ) {
        const refused = yield* run("keys", ...args, "--data", data)
        assert.strictEqual(refused.code, 1, args.join(" "))
        assert.match(refused.stderr, says)
      }
      const elsewhere = yield* run("keys", "show", "--data", join(root, "nowhere"))
      assert.strictEqual(elsewhere.code, 1)
      assert.match(elsewhere.stderr, /is no data directory/)
      const [before] = yield* show(data)
      assert.deepStrictEqual(before?.keys.map(({ log, version }) => [version, log]), [[1, customer.vkey]])

      const rotated = yield* run("keys", "rotate", "--data", data, "--customer", customer.id)
      assert.strictEqual(rotated.code, 0, rotated.stderr)
      yield* round(customer).pipe(Effect.provide(appliance(data)))
      const revoked = yield* run("keys", "revoke", "--data", data, "--all", "--json")
      assert.strictEqual(revoked.code, 0, revoked.stderr)
      const [after] = yield* show(data)
      assert.deepStrictEqual(after?.keys.map(({ version }) => version), [1, 2, 3])
      const [, second, newest] = after!.keys
      assert.include(rotated.stdout, second!.log)
      assert.include(readFileSync(join(data, "archive", newest!.document), "utf8"), `previous ${second!.log}\n`)
      assert.include(newest!.revoked.map(({ id }) => id), second!.id)
      for (const { log } of after!.keys) {
        const [integrity, completeness, findings] = yield* verdict(data, log)
        assert.deepStrictEqual([integrity, completeness], ["PASS", "PASS"], findings)
      }
      const clean = yield* run("fsck", "--data", data, "--deep", "--json")
      assert.strictEqual(clean.code, 0, clean.stdout)

      const made = yield* run("keys", "sheet", "--data", data)
      assert.strictEqual(made.code, 0, made.stderr)
      const sheet = join(root, "sheet.txt")
      renameSync(join(data, "recovery-sheet.txt"), sheet)
      const text = readFileSync(sheet, "utf8")
      assert.include(text, newest!.log)
      const secrets = parseRecoveryCode(text)
      assert.strictEqual(
        scan(text.split("\n").filter((line) => /[\u2580\u2584\u2588]/.test(line))),
        scannedRecoveryCode(secrets)
      )
      assert.notInclude(made.stdout + made.stderr, scannedRecoveryCode(secrets).slice(10, 26))

      // The disk is lost: what is left is a copy of the archive, and the sheet.
      const restored = join(root, "restored")
      mkdirSync(restored)
      renameSync(join(data, "archive"), join(restored, "archive"))
      rmSync(data, { recursive: true })
      const tooEarly = yield* run("serve", "--data", restored, "--port", "0")
      assert.strictEqual(tooEarly.code, 1)
      assert.match(tooEarly.stderr + tooEarly.stdout, /keys restore/)
      assert.deepStrictEqual(readdirSync(join(restored, "signer")).filter((name) => name !== "lock"), [])

      const restore = (input: string) =>
        Effect.promise(() => rainlogs(["keys", "restore", "--data", restored, "--code-stdin"], { stdin: input }))
      const stranger = printRecoveryCode({
        wrappingKey: new Uint8Array(randomBytes(32)),
        masterKey: secrets.masterKey
      })
      const otherMaster = printRecoveryCode({
        wrappingKey: secrets.wrappingKey,
        masterKey: new Uint8Array(randomBytes(32))
      })
      const mistyped = printRecoveryCode(secrets).replace(/^3: (.)/m, (_, letter: string) =>
        `3: ${letter === "A" ? "B" : "A"}`)
      for (
        const [input, says] of [
          [stranger, /not of this archive/],
          [otherMaster, /another master key/],
          [mistyped, /row 3/],
          ["", /0 characters/]
        ] as const
      ) {
        const refused = yield* restore(input)
        assert.strictEqual(refused.code, 1)
        assert.match(refused.stderr, says)
        assert.isFalse(existsSync(join(restored, "secrets", "master.key")))
        assert.deepStrictEqual(
          readdirSync(join(restored, "signer")).filter((name) =>
            name !== "lock"
          ),
          []
        )
      }
      const typed = printRecoveryCode(secrets).split("\n").slice(1, -1).join("\n").toLowerCase()
      const back = yield* restore(typed)
      assert.strictEqual(back.code, 0, back.stderr)
      const again = yield* run("keys", "restore", "--data", restored, "--sheet", sheet, "--json")
      assert.strictEqual(again.code, 0, again.stderr)
      assert.deepStrictEqual(JSON.parse(again.stdout), { restored: [], present: [customer.origin], withoutKeys: [] })
      writeFileSync(join(root, "stranger.txt"), stranger)
      const over = yield* run("keys", "restore", "--data", restored, "--sheet", join(root, "stranger.txt"))
      assert.strictEqual(over.code, 1)

      const rebuilt = yield* run("rebuild", "--data", restored)
      assert.strictEqual(rebuilt.code, 0, rebuilt.stderr)
      yield* round(customer).pipe(Effect.provide(appliance(restored)))
      const last = yield* run("keys", "rotate", "--data", restored, "--all")
      assert.strictEqual(last.code, 0, last.stderr)
      for (const { log } of (yield* show(restored))[0]!.keys) {
        const [integrity, completeness, findings] = yield* verdict(restored, log)
        assert.deepStrictEqual([integrity, completeness], ["PASS", "PASS"], findings)
      }
      const heads = readdirSync(join(restored, "archive", ledgerPrefix(customer.origin), "checkpoint.d"))
      assert.isAbove(heads.length, 2)
      assert.notInclude(text, Redacted.value(customer.apiKey))
    }).pipe(Effect.scoped),
  300_000
)
