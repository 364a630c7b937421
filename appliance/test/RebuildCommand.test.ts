/**
 * `rainlogs rebuild` as a process, on what `rainlogs serve` left behind when it was killed: holds, erasures, a policy and
 * a zone of the last moment; and killed itself in the middle.
 */
import { assert, it } from "@effect/vitest"
import { dekIdOf, keyRecordKey } from "@rainlogs/core/secrets/KeyRecord"
import { publicKey } from "@rainlogs/verify/Ed25519"
import { checkpointKey } from "@rainlogs/verify/Layout"
import { type NoteSigner, printNote, signNote } from "@rainlogs/verify/Note"
import { makeVerifierKey, printVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Effect, Redacted } from "effect"
import { spawn } from "node:child_process"
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as wait } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import * as DemoClient from "../src/demo/DemoClient.ts"
import * as DemoZone from "../src/demo/DemoZone.ts"
import { gone, killGroup } from "../torture/Processes.ts"
import { run, serve } from "./ServeProcess.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const bun = join(root, "node_modules", ".bin", "bun")
const main = join(root, "appliance", "src", "main.ts")

const approver: NoteSigner = {
  key: makeVerifierKey("approver.example.eu/dpo", 1, publicKey(new Uint8Array(32).fill(1))),
  seed: new Uint8Array(32).fill(1)
}
const sign = (document: string) => Buffer.from(printNote(signNote(document, [approver]))).toString()

interface Job {
  readonly id: string
  readonly state: string
  readonly bytes: number | null
  readonly sha256: string
  readonly window: { readonly from: number; readonly to: number; readonly start: string; readonly end: string }
}

/** Requests of one customer. */
const client = (url: string, key: string) => async (method: string, path: string, body?: unknown) => {
  const response = await fetch(`${url}/api/v1/${path}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(body === undefined ? {} : { "content-type": "application/json" })
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  const text = await response.text()
  const isJson = /^application\/(?:problem\+)?json/.test(response.headers.get("content-type") ?? "")
  return { status: response.status, body: isJson ? JSON.parse(text) : text }
}
type Call = ReturnType<typeof client>

/** Starts a rebuild and kills it with its database after a time, ms; whether it was killed before its end. */
const killedRebuild = async (data: string, after: number): Promise<boolean> => {
  const child = spawn(bun, [main, "rebuild", "--data", data, "--json"], { stdio: "ignore", detached: true })
  await Promise.race([wait(after), gone(child)])
  if (child.exitCode !== null) return false
  killGroup(child)
  await gone(child)
  return true
}

it.live(
  "a killed appliance whose database is lost is rebuilt by the command, also by one that was killed: every answer as before",
  () =>
    Effect.gen(function*() {
      const token = "cfut_rebuilding-0123456789abcdef"
      const simulator = yield* DemoZone.simulate(token, "rebuilding")
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "rainlogs-rebuilding-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const data = join(directory, "data")
      let running = yield* Effect.promise(() => serve(data, simulator.url))
      yield* Effect.addFinalizer(() => Effect.promise(() => running.kill()))
      const customer = yield* DemoClient.createCustomer(running.url, Redacted.make(running.adminToken))
      const key = Redacted.value(customer.apiKey)
      const zone = yield* DemoClient.createZone(running.url, customer.apiKey, {
        name: DemoZone.zoneName,
        cloudflareZoneId: DemoZone.cloudflareZoneId,
        token,
        backfillHours: 5
      })
      yield* Effect.promise(async () => {
        let call = client(running.url, key)
        const ok = async (method: string, path: string, body?: unknown) => {
          const answer = await call(method, path, body)
          assert.isBelow(answer.status, 300, `${path} ${JSON.stringify(answer.body)}`)
          return answer.body
        }
        const full = async (): Promise<ReadonlyArray<Job>> =>
          (await ok("GET", `zones/${zone.id}/logs?limit=1000`)).jobs.filter((job: Job) =>
            job.state === "committed" && job.bytes !== null && job.bytes > 0
          ).toReversed()
        while ((await full()).length < 4) await wait(250)
        const [held, freed, erased, announced] = await full()
        assert.isDefined(announced)
        const scope = ({ window }: Job) => ({ zone: zone.id, from: window.start, to: window.end })

        const policy = await ok("POST", "policy/drafts", {
          approvers: [printVerifierKey(approver.key)],
          eraseQuorum: 1
        })
        await ok("POST", "policy", policy)
        await ok("POST", "holds", { scopes: [scope(held!)], basis: "case 7" })
        const released = await ok("POST", "holds", { scopes: [scope(freed!)], basis: "case 8" })
        const release = await ok("POST", `holds/${released.id}/release-drafts`, { basis: "case 8 closed" })
        await ok("POST", `holds/${released.id}/release`, { document: sign(release.document) })
        for (const [job, end] of [[erased!, "execute"], [announced, null]] as const) {
          const { draft } = await ok("POST", "erasures/drafts", {
            ...scope(job),
            reason: "gdpr-art17",
            method: "delete",
            basis: "case 12"
          })
          const { id } = await ok("POST", "erasures", { document: sign(draft.document) })
          if (end !== null) assert.strictEqual((await ok("POST", `erasures/${id}/${end}`)).state, "done")
        }
        // What was appended is under a signed head within a sweep.
        while ((await health(running.url)).ledgers?.unpublishedEntries !== 0) await wait(250)

        const answers = async (ask: Call) => {
          const list = async (path: string) => (await ask("GET", path)).body
          const jobs: ReadonlyArray<Job> = [held!, freed!, erased!, announced]
          return {
            holds: await list("holds?limit=100"),
            erasures: await list("erasures?limit=100"),
            policy: await list("policy"),
            zones: (await list("zones")).zones.map(({ id, name }: Record<string, string>) => ({ id, name }))
              .map((zone: Record<string, string>) => JSON.stringify(zone)).toSorted(),
            jobs: await Promise.all(jobs.map(async ({ id }) => lasting(await ask("GET", `logs/jobs/${id}`)))),
            downloads: await Promise.all(jobs.map(({ id }) => ask("GET", `logs/jobs/${id}/download`)))
          }
        }
        // A zone of the last moment: the appliance is killed as soon as it has answered.
        const late = await ok("POST", "zones", {
          name: "late.example",
          cloudflareZoneId: "ab".repeat(16),
          token,
          backfillHours: 1
        })
        await running.kill()
        const catalogOnly = join(directory, "late")
        for (const part of ["archive", "signer", "secrets"]) {
          cpSync(join(data, part), join(catalogOnly, part), { recursive: true })
        }
        const lost = await run(["rebuild", "--data", catalogOnly, "--json"])
        assert.strictEqual(lost.code, 0, lost.stderr)
        assert.deepInclude(JSON.parse(lost.stdout), { customers: 1, zones: 2, present: 0 })

        running = await serve(data, simulator.url)
        call = client(running.url, key)
        const before = await answers(call)
        assert.include(JSON.stringify(before.zones), late.id)
        assert.deepStrictEqual(before.downloads.map(({ status }) => status), [200, 200, 410, 200])
        await running.kill()

        rmSync(join(data, "postgres"), { recursive: true })
        let killed = 0
        for (let after = 700; await killedRebuild(data, after); after += 700) killed++
        assert.isAbove(killed, 1)
        const again = await run(["rebuild", "--data", data, "--json"])
        assert.strictEqual(again.code, 0, again.stderr)
        assert.deepInclude(JSON.parse(again.stdout), { unauthorised: [], resumed: [], stuck: [], unknown: [] })
        const checked = await run(["fsck", "--data", data, "--deep", "--json"])
        assert.strictEqual(checked.code, 0, checked.stdout)

        // A leftover does no harm and ends well; a damage does not.
        const served = join(data, "archive", checkpointKey(customer.origin))
        const head = readFileSync(served)
        rmSync(served)
        const leftover = await run(["fsck", "--data", data, "--json"])
        assert.deepStrictEqual([leftover.code, codesOf(leftover.stdout)], [0, ["SERVED_MISSING"]], leftover.stderr)
        writeFileSync(served, head)
        const record = join(data, "archive", keyRecordKey(dekIdOf(held!.id, held!.sha256)))
        const kept = readFileSync(record)
        rmSync(record)
        const damage = await run(["fsck", "--data", data, "--json"])
        assert.deepStrictEqual([damage.code, codesOf(damage.stdout)], [1, ["KEY_MISSING"]], damage.stderr)
        writeFileSync(record, kept)

        running = await serve(data, simulator.url)
        call = client(running.url, key)
        assert.deepStrictEqual(await answers(call), before)
        await running.kill()

        // Without a key that belongs to the archive every command says the same, and makes no other.
        rmSync(join(data, "postgres"), { recursive: true })
        rmSync(join(data, "secrets", "master.key"))
        const [refusedRebuild, refusedFsck] = [
          await run(["rebuild", "--data", data]),
          await run(["fsck", "--data", data])
        ]
        for (const { code, stderr } of [refusedRebuild, refusedFsck]) {
          assert.strictEqual(code, 1)
          assert.match(stderr, /master\.key is missing\. Put it back from its backup, or run: rainlogs keys restore/)
        }
        assert.isFalse(existsSync(join(data, "secrets", "master.key")))
      })
    }).pipe(Effect.scoped),
  400_000
)

const codesOf = (report: string): ReadonlyArray<string> =>
  JSON.parse(report).problems.map(({ code }: { readonly code: string }) => code).filter((code: string) =>
    !["ORPHAN_OBJECT", "ORPHAN_KEY", "ORPHAN_DOCUMENT", "UNPUBLISHED"].includes(code)
  )

const health = async (
  url: string
): Promise<{ readonly ledgers: { readonly unpublishedEntries: number } | null }> =>
  (await fetch(`${url}/health`)).json()

// What the way to a window was like is in no document of the archive.
const lasting = ({ body, status }: { readonly status: number; readonly body: object }) => ({
  status,
  body: { ...body, attempts: null, createdAt: null }
})
