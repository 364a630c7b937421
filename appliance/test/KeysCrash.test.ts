import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId } from "@rainlogs/core/domain/Identifier"
import { type ChainedKeys, KeyHistory, keyId } from "@rainlogs/core/ledger/KeyHistory"
import * as LedgerEvents from "@rainlogs/core/ledger/LedgerEvents"
import * as Publisher from "@rainlogs/core/ledger/Publisher"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { verifyArchive } from "@rainlogs/verify/VerifyArchive"
import { Clock, Effect, Layer } from "effect"
import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Appliance from "../src/Appliance.ts"
import { DataDirectory } from "../src/DataDirectory.ts"
import * as DemoClient from "../src/demo/DemoClient.ts"
import { rainlogs, stepping, stepsIn } from "./KeysCommand.ts"

const root = mkdtempSync(join(tmpdir(), "rainlogs-keys-crash-"))
const first = join(root, "first")
const known: { ledger?: { customer: CustomerId; origin: Origin }; vkey?: string } = {}

const environment = (data: string) => Layer.provideMerge(DataDirectory.layer(data), NodeServices.layer)

// What an appliance does with a ledger when it starts.
const startAgain = (data: string) =>
  Effect.gen(function*() {
    const ledger = known.ledger!
    const events = yield* LedgerEvents.LedgerEvents
    yield* events.open(ledger)
    yield* events.heartbeats(ledger, yield* Clock.currentTimeMillis)
    const published = yield* Publisher.Publisher.use((publisher) => publisher.publish(ledger))
    // The sealed copies of former keys go when the ledger is opened.
    yield* events.open(ledger)
    return { published, keys: yield* KeyHistory.use((history) => history.of(ledger)) }
  }).pipe(
    Effect.provide(
      Layer.mergeAll(Publisher.layer, LedgerEvents.layer, KeyHistory.layer).pipe(
        Layer.provideMerge(Appliance.foundations),
        Layer.provide(environment(data))
      )
    ),
    Effect.scoped,
    Effect.runPromise
  )

const verdictOf = async (data: string, vkey: string) => {
  const report = await verifyArchive(await openDirectory(join(data, "archive")), { keys: [parseVerifierKey(vkey)] })
  return { verdict: report.verdict.integrity, findings: report.findings.filter(({ severity }) => severity === "fail") }
}

const signerFiles = (data: string) =>
  readdirSync(join(data, "signer")).map((name) => name.slice(name.lastIndexOf(".") + 1)).filter((end) =>
    ["keys", "next"].includes(end)
  )

const sealed = (data: string) =>
  readdirSync(join(data, "archive", "catalog", "signer"), { recursive: true })
    .map((name) => String(name).split("/")[1]).filter((name) => name !== undefined)

beforeAll(async () => {
  const { customer } = await Effect.gen(function*() {
    const { url } = yield* Appliance.ApiAddress
    return { customer: yield* DemoClient.createCustomer(url, yield* Appliance.adminToken) }
  }).pipe(
    Effect.provide(Appliance.layer({ host: "127.0.0.1", port: 0 }).pipe(Layer.provideMerge(environment(first)))),
    Effect.scoped,
    Effect.runPromise
  )
  known.ledger = { customer: CustomerId.make(customer.id), origin: Origin.make(customer.origin) }
  known.vkey = customer.vkey
  const { published } = await startAgain(first)
  assert.include(["published", "unchanged"], published.outcome)
}, 120_000)
afterAll(() => rmSync(root, { recursive: true, force: true }))

const copy = (name: string): string => {
  const data = join(root, name)
  // With owners: PostgreSQL may run as another user than the tests.
  execFileSync("cp", ["-a", first, data])
  return data
}

const journey = async (
  command: ReadonlyArray<string>,
  // A change and a revocation take the same steps: each journey is killed at every second one, and both at all.
  remainder: 0 | 1,
  check: (keys: ReadonlyArray<ChainedKeys>, step: string, taken: ReadonlyArray<string>) => void
) => {
  const whole = copy("whole")
  const log = join(root, "steps")
  rmSync(log, { force: true })
  const done = await rainlogs([...command, "--data", whole], { env: stepping(log, 0) })
  assert.strictEqual(done.code, 0, done.stderr)
  rmSync(whole, { recursive: true })
  const steps = stepsIn(log)
  assert.isAtLeast(steps.length, 10, steps.join(", "))
  for (const [index, step] of steps.entries()) {
    if (index % 2 !== remainder) continue
    const what = `killed after step ${index + 1}: ${step}`
    const data = copy("killed")
    rmSync(log, { force: true })
    const ended = await rainlogs([...command, "--data", data], { env: stepping(log, index + 1) })
    assert.strictEqual(ended.signal ?? ended.code, "SIGKILL", `${what} ${ended.stderr}`)
    // As it was left, nothing is wrong with it; but a list that revokes the only key that signed so far says just that.
    const left = await verdictOf(data, known.vkey!)
    const codes = left.findings.filter(({ question }) => question === "integrity").map(({ code }) => code)
    if (command.includes("revoke")) assert.deepStrictEqual(codes.filter((code) => code !== "REVOKED_KEY"), [], what)
    else assert.notStrictEqual(left.verdict, "FAIL", `${what} ${JSON.stringify(left.findings)}`)
    const { keys, published } = await startAgain(data)
    assert.notStrictEqual(published.outcome, "halted", `${what} ${JSON.stringify(published)}`)
    check(keys, what, steps.slice(0, index + 1))
    for (const vkey of [known.vkey!, keys.at(-1)!.log]) {
      const { findings, verdict } = await verdictOf(data, vkey)
      assert.strictEqual(verdict, "PASS", `${what} ${JSON.stringify(findings)}`)
    }
    assert.deepStrictEqual(signerFiles(data), ["keys"], what)
    assert.deepStrictEqual(sealed(data), [keyId(keys.at(-1)!.log)], what)
    rmSync(data, { recursive: true })
  }
  return steps
}

describe("rainlogs keys, killed with -9 after every durable step", () => {
  for (const [change, remainder] of [["rotate", 0], ["revoke", 1]] as const) {
    it(`${change}: once the new keys are prepared the next start finishes, with one key in use`, async () => {
      let wasDecided = false
      const steps = await journey(["keys", change, "--all"], remainder, (keys, what, taken) => {
        const isDecided = taken.some((step) => step.endsWith(".next"))
        wasDecided ||= isDecided
        assert.strictEqual(keys.length, isDecided ? 2 : 1, what)
        if (isDecided) assert.lengthOf(keys.at(-1)!.revoked, change === "revoke" ? 2 : 0, what)
      })
      assert.isTrue(wasDecided)
      assert.includeMembers(steps.map((step) => step.replace(/[0-9a-f]{64}/, "")), [
        "rename .next",
        "rename .state",
        "rename .keys",
        "rm .next"
      ])
    }, 600_000)
  }

  it("restore: run again, it goes on; until it is done nothing can start beside the archive", async () => {
    const sheet = join(root, "sheet.txt")
    const made = await rainlogs(["keys", "sheet", "--data", first, "--show"])
    assert.strictEqual(made.code, 0, made.stderr)
    const lost = (name: string): string => {
      const data = join(root, name)
      mkdirSync(data)
      cpSync(join(first, "archive"), join(data, "archive"), { recursive: true })
      return data
    }
    writeFileSync(sheet, made.stdout)
    const whole = lost("restored")
    const log = join(root, "restore-steps")
    const done = await rainlogs(["keys", "restore", "--sheet", sheet, "--data", whole], { env: stepping(log, 0) })
    assert.strictEqual(done.code, 0, done.stderr)
    const steps = stepsIn(log)
    assert.isAtLeast(steps.length, 4, steps.join(", "))
    // What comes after the wrapping key only remembers that the sheet is known.
    const last = steps.findIndex((step) => step.endsWith("wrapping.key"))
    assert.deepStrictEqual(steps.slice(last + 1), ["rename recovery-sheet.id"])
    for (const [index, step] of steps.entries()) {
      const what = `killed after step ${index + 1}: ${step}`
      const data = lost("killed-restore")
      const stepLog = join(root, "killed-restore-steps")
      rmSync(stepLog, { force: true })
      const ended = await rainlogs(["keys", "restore", "--sheet", sheet, "--data", data], {
        env: stepping(stepLog, index + 1)
      })
      assert.strictEqual(ended.signal ?? ended.code, "SIGKILL", `${what} ${ended.stderr}`)
      if (index < last) {
        const started = await rainlogs(["fsck", "--data", data])
        assert.strictEqual(started.code, 1, what)
        assert.match(started.stderr, /is missing|wrapped with it/, what)
      }
      const again = await rainlogs(["keys", "restore", "--sheet", sheet, "--data", data])
      assert.strictEqual(again.code, 0, `${what} ${again.stderr}`)
      const rebuilt = await rainlogs(["rebuild", "--data", data])
      assert.strictEqual(rebuilt.code, 0, `${what} ${rebuilt.stderr}`)
      const { keys, published } = await startAgain(data)
      assert.notStrictEqual(published.outcome, "halted", `${what} ${JSON.stringify(published)}`)
      assert.strictEqual(keys[0]?.log, known.vkey, what)
      assert.strictEqual((await verdictOf(data, known.vkey!)).verdict, "PASS", what)
      rmSync(data, { recursive: true })
    }
  }, 600_000)
})
