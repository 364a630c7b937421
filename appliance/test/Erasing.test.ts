import { assert, it } from "@effect/vitest"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { verifyArchive } from "@rainlogs/verify/VerifyArchive"
import { Effect, Redacted } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as wait } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import * as DemoClient from "../src/demo/DemoClient.ts"
import * as DemoZone from "../src/demo/DemoZone.ts"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))
const adminToken = "operator-token-of-the-tests-0123456789"
const passphrase = "correct horse battery"

interface Job {
  readonly id: string
  readonly state: string
  readonly key: string | null
  readonly window: { readonly from: number; readonly to: number; readonly start: string; readonly end: string }
}

/** Starts `rainlogs serve` and waits for its address. */
const serve = (data: string, environment: Record<string, string>) =>
  new Promise<{ readonly child: ChildProcess; readonly url: string }>((resolve, reject) => {
    const child = spawn(process.execPath, [main, "serve", "--data", data, "--port", "0"], {
      env: { ...process.env, ...environment, RAINLOGS_ADMIN_TOKEN: adminToken },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let text = ""
    const read = (part: Buffer) => {
      text += part.toString()
      const url = /Rainlogs answers at (http:\/\/\S+?);/.exec(text)?.[1]
      if (url !== undefined) resolve({ child, url })
    }
    child.stdout.on("data", read)
    child.stderr.on("data", read)
    child.on("exit", (code) => reject(new Error(`serve ended with ${code}: ${text}`)))
  })

const ended = (child: ChildProcess) =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise<void>((resolve) => child.once("exit", () => resolve()))

/** Runs a command to its end. */
const run = (directory: string, key: string, words: ReadonlyArray<string>) =>
  new Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>((resolve) => {
    const child = spawn(process.execPath, [main, ...words], {
      cwd: directory,
      env: { ...process.env, RAINLOGS_API_KEY: key, RAINLOGS_APPROVER_PASSPHRASE: passphrase },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let [out, err] = ["", ""]
    child.stdout.on("data", (part: Buffer) => out += part.toString())
    child.stderr.on("data", (part: Buffer) => err += part.toString())
    child.on("exit", (code) => resolve({ code, out, err }))
  })

it.live(
  "a data protection officer holds, releases and erases by the command line, and kill -9 leaves nothing half done",
  () =>
    Effect.gen(function*() {
      const token = "cfut_erasing-0123456789abcdef"
      const simulator = yield* DemoZone.simulate(token, "erasing")
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "rainlogs-erasing-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const data = join(directory, "data")
      const archive = join(data, "archive")
      const environment = { RAINLOGS_CLOUDFLARE_BASE_URL: simulator.url, RAINLOGS_LOGPULL_SETTLE_MS: "90000" }
      let running = yield* Effect.promise(() => serve(data, environment))
      yield* Effect.addFinalizer(() =>
        Effect.promise(async () => {
          running.child.kill("SIGTERM")
          await ended(running.child)
        })
      )
      const customer = yield* DemoClient.createCustomer(running.url, Redacted.make(adminToken))
      const key = Redacted.value(customer.apiKey)
      const zone = yield* DemoClient.createZone(running.url, customer.apiKey, {
        name: DemoZone.zoneName,
        cloudflareZoneId: DemoZone.cloudflareZoneId,
        token,
        backfillHours: 3
      })
      yield* Effect.promise(async () => {
        const command = (...words: ReadonlyArray<string>) => run(directory, key, [...words, "--url", running.url])
        const ok = async (...words: ReadonlyArray<string>) => {
          const { code, err, out } = await command(...words)
          assert.strictEqual(code, 0, `${words.join(" ")}\n${err}${out}`)
          return out
        }
        const sign = async (file: string) => {
          const signed = await run(directory, key, ["approver", "sign", file, "--key", "dpo.key", "--yes"])
          assert.strictEqual(signed.code, 0, signed.err)
        }
        const jobs = async (): Promise<ReadonlyArray<Job>> => {
          const response = await fetch(`${running.url}/api/v1/zones/${zone.id}/logs?limit=1000`, {
            headers: { authorization: `Bearer ${key}` }
          })
          const body: { readonly jobs: ReadonlyArray<Job> } = await response.json()
          return body.jobs
        }
        const full = async () => (await jobs()).filter(({ key, state }) => state === "committed" && key !== null)
        while ((await full()).length < 2) await wait(250)
        const windows = (await full()).toReversed().slice(0, 2)
        const [held] = windows
        assert.isDefined(held)
        const range = ({ window }: Job) => ["--from", window.start, "--to", window.end]

        // Nobody can approve yet, and the answer says so.
        const lacking = await command("erase", "request", "--basis", "case 12", "--zone", zone.id, ...range(held))
        assert.strictEqual(lacking.code, 2)
        assert.include(lacking.err, "only retention deletions are possible")
        assert.include(await ok("policy", "show"), "Names no approver")
        const made = await run(directory, key, [
          "approver",
          "new",
          "--name",
          "approver.example.eu/dpo",
          "--out",
          "dpo.key"
        ])
        assert.strictEqual(made.code, 0, made.err)
        await ok("policy", "propose", "--quorum", "1", "--approver", made.out.trim())
        assert.include(await ok("policy", "apply", "policy.txt"), "approver.example.eu/dpo")

        // A hold keeps the first window until it is released.
        const hold: { readonly id: string } = JSON.parse(
          await ok("hold", "place", "--basis", "case 7", "--zone", zone.id, ...range(held), "--json")
        )
        assert.include(
          await ok("erase", "request", "--basis", "case 12", "--zone", zone.id, ...range(held)),
          "No window is left to erase"
        )
        await ok("hold", "release", hold.id, "--basis", "case 7 closed")
        const unsigned = await command("hold", "release", hold.id, "--document", "release.txt")
        assert.strictEqual(unsigned.code, 2)
        await sign("release.txt")
        assert.include(await ok("hold", "release", hold.id, "--document", "release.txt"), "released")
        assert.include(await ok("hold", "list"), `${hold.id} released`)

        // Each window is one erasure; its execution is killed at another moment.
        const ids: Array<string> = []
        for (const [index, window] of windows.entries()) {
          const out = `case-${index}`
          await ok("erase", "request", "--basis", "case 12", "--zone", zone.id, ...range(window), "--out", out)
          await sign(`${out}-0001.txt`)
          const announced: { readonly id: string } = JSON.parse(
            await ok("erase", "request", "--document", `${out}-0001.txt`, "--json")
          )
          ids.push(announced.id)
          const answer = fetch(`${running.url}/api/v1/erasures/${announced.id}/execute`, {
            method: "POST",
            headers: { authorization: `Bearer ${key}` }
          }).then(({ status }) => status, () => "cut off")
          await wait([5, 60][index])
          running.child.kill("SIGKILL")
          await Promise.all([answer, ended(running.child)])
          running = await serve(data, environment)
        }
        await ok("erase", "execute", ...ids)
        const listed = (await ok("erase", "list", "--json")).trim().split("\n").map((line) => JSON.parse(line))
        assert.deepStrictEqual(listed.map(({ state }) => state), ["done", "done"])
        for (const window of windows) {
          assert.isFalse(existsSync(join(archive, window.key ?? "")))
          const gone = await fetch(`${running.url}/api/v1/logs/jobs/${window.id}/download`, {
            headers: { authorization: `Bearer ${key}` }
          })
          assert.strictEqual(gone.status, 410)
        }
        assert.include(await ok("erase", "retention", "--dry-run"), "0 windows")
        running.child.kill("SIGTERM")
        await ended(running.child)
        running = await serve(data, environment)
        // The head is published within a sweep of the start.
        const verify = async () =>
          verifyArchive(await openDirectory(archive), { keys: [parseVerifierKey(customer.vkey)] })
        let report = await verify()
        while (report.findings.filter(({ code }) => code === "DELETED_AUTHORISED").length < 2) {
          await wait(500)
          report = await verify()
        }
        assert.deepStrictEqual(
          [report.verdict.integrity, report.verdict.erasures],
          ["PASS", "PASS"],
          JSON.stringify(report.findings)
        )
      })
    }).pipe(Effect.scoped),
  600_000
)
