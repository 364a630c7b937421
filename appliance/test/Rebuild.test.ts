import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, it } from "@effect/vitest"
import type { CreatedCustomer } from "@rainlogs/core/api/CustomersApi"
import { defaultPlanning } from "@rainlogs/core/archive/PlanWindows"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId } from "@rainlogs/core/domain/Identifier"
import { Rebuild } from "@rainlogs/core/recovery/Rebuild"
import { ledgerPrefix } from "@rainlogs/verify/Layout"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { verifyArchive } from "@rainlogs/verify/VerifyArchive"
import { Effect, Exit, Layer, Redacted } from "effect"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Appliance from "../src/Appliance.ts"
import { DataDirectory } from "../src/DataDirectory.ts"
import * as DemoClient from "../src/demo/DemoClient.ts"
import * as DemoZone from "../src/demo/DemoZone.ts"
import { awaitRound } from "../src/demo/FirstRound.ts"

const data = mkdtempSync(join(tmpdir(), "rainlogs-rebuild-"))
afterAll(() => rmSync(data, { recursive: true, force: true }))
const archive = join(data, "archive")

const environment = Layer.provideMerge(DataDirectory.layer(data), NodeServices.layer)
const rebuild = Effect.gen(function*() {
  const reader = yield* Effect.promise(() => openDirectory(archive))
  return yield* Rebuild.use((service) => service.run({ unauthorised: "refuse", onEntries: () => {} })).pipe(
    Effect.provide(
      Rebuild.layer(reader).pipe(
        Layer.provide(Appliance.recovery),
        Layer.provide(environment)
      )
    )
  )
})

// What the way to a window was like is no part of the archive: attempts, and the times of its states.
const lasting = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (key, part: unknown) =>
      ["attempts", "createdAt", "updatedAt", "lastError"].includes(key) ? undefined : part)
  )

it.live(
  "a lost database is rebuilt from the archive: every answer as before, and collecting goes on",
  () =>
    Effect.gen(function*() {
      const token = "cfut_rebuild-0123456789abcdef"
      const simulator = yield* DemoZone.simulate(token, "rebuild")
      const appliance = Appliance.layer({
        host: "127.0.0.1",
        port: 0,
        settleMs: 90_000,
        cloudflareBaseUrl: simulator.url
      }).pipe(Layer.provideMerge(environment))
      const known: { customer?: typeof CreatedCustomer.Type; zone?: string } = {}

      const answers = Effect.fnUntraced(function*(url: string, apiKey: string, zone: string) {
        const get = (path: string) =>
          Effect.promise(async () => {
            const response = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${apiKey}` } })
            return { status: response.status, body: await response.json() }
          })
        const jobs = yield* get(`/api/v1/zones/${zone}/logs?limit=100`)
        const zones = yield* get("/api/v1/zones")
        const committed = (jobs.body as { jobs: ReadonlyArray<{ id: string; state: string; bytes: number | null }> })
          .jobs
          .filter(({ bytes, state }) => state === "committed" && bytes !== null && bytes > 0).toReversed().slice(0, 2)
        const contents: Array<string> = []
        for (const { id } of committed) {
          const response = yield* Effect.promise(() =>
            fetch(`${url}/api/v1/logs/jobs/${id}/download`, { headers: { authorization: `Bearer ${apiKey}` } })
          )
          assert.strictEqual(response.status, 200)
          contents.push(yield* Effect.promise(() => response.text()))
        }
        return lasting({ contents, zones, zone: yield* get(`/api/v1/zones/${zone}`), jobs })
      })

      const before = yield* Effect.gen(function*() {
        const { url } = yield* Appliance.ApiAddress
        const customer = yield* DemoClient.createCustomer(url, yield* Appliance.adminToken)
        const zone = yield* DemoClient.createZone(url, customer.apiKey, {
          name: DemoZone.zoneName,
          cloudflareZoneId: DemoZone.cloudflareZoneId,
          token,
          backfillHours: 2
        })
        Object.assign(known, { customer, zone: zone.id })
        const ledger = { customer: CustomerId.make(customer.id), origin: Origin.make(customer.origin) }
        yield* awaitRound(ledger, defaultPlanning, { show: () => {}, clear: () => {} })
        return yield* answers(url, Redacted.value(customer.apiKey), zone.id)
      }).pipe(Effect.provide(appliance))
      const { customer, zone } = known
      if (customer === undefined || zone === undefined) throw new Error("no customer was made")
      assert.match(JSON.stringify(before), /committed/)
      // Names and tokens are not readable in the archive.
      const [saved = ""] = readdirSync(join(archive, "catalog", customer.id))
      assert.notInclude(readFileSync(join(archive, "catalog", customer.id, saved), "latin1"), DemoZone.zoneName)

      rmSync(join(data, "postgres"), { recursive: true })
      const restored = yield* rebuild
      assert.deepStrictEqual([restored.customers, restored.zones, restored.present], [1, 1, 0])
      // Genesis, policy and at least one window; how many more depends on where the hour stands.
      assert.isAbove(restored.entries, 2)
      const again = yield* rebuild
      assert.deepStrictEqual([again.customers, again.present], [0, 1])

      yield* Effect.gen(function*() {
        const { url } = yield* Appliance.ApiAddress
        const after = yield* answers(url, Redacted.value(customer.apiKey), zone)
        // Later windows may have been planned meanwhile: those that were there are as they were.
        const jobsOf = (value: unknown) =>
          (value as { jobs: { body: { jobs: ReadonlyArray<{ id: string }> } } }).jobs.body.jobs
        for (const job of jobsOf(before)) assert.deepInclude(jobsOf(after), job)
        // What was archived is opened with the keys that are in the archive.
        const contentsOf = (value: unknown) => (value as { contents: ReadonlyArray<string> }).contents
        assert.isAbove(contentsOf(before).join("").length, 100)
        assert.deepStrictEqual(contentsOf(after), contentsOf(before))
        const zonesOf = (value: unknown) => (value as { zones: unknown }).zones
        assert.deepStrictEqual(zonesOf(after), zonesOf(before))
        const ledger = { customer: CustomerId.make(customer.id), origin: Origin.make(customer.origin) }
        yield* awaitRound(ledger, defaultPlanning, { show: () => {}, clear: () => {} })
      }).pipe(Effect.provide(appliance))
      const report = yield* Effect.promise(async () =>
        verifyArchive(await openDirectory(archive), { keys: [parseVerifierKey(customer.vkey)] })
      )
      assert.deepStrictEqual(
        [report.verdict.integrity, report.verdict.completeness],
        ["PASS", "PASS"],
        JSON.stringify(report.findings)
      )

      // An archive in which somebody changed an entry gives no database.
      rmSync(join(data, "postgres"), { recursive: true })
      const bundles = join(archive, ledgerPrefix(customer.origin), "tile", "entries")
      const [name = ""] = readdirSync(bundles, { recursive: true, encoding: "utf8" }).filter((path) =>
        path.includes(".p/")
      ).toSorted()
        .toReversed()
      const path = join(bundles, name)
      const text = readFileSync(path, "latin1").replace(
        /records (\d)/,
        (_, digit: string) => `records ${(Number(digit) + 1) % 9 + 1}`
      )
      rmSync(path)
      writeFileSync(path, text, "latin1")
      const refused = yield* Effect.exit(rebuild)
      assert.isTrue(Exit.isFailure(refused))
      assert.match(JSON.stringify(refused), /does not verify/)
    }).pipe(Effect.scoped),
  180_000
)
