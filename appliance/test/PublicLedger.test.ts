import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, it } from "@effect/vitest"
import { defaultPlanning } from "@rainlogs/core/archive/PlanWindows"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId } from "@rainlogs/core/domain/Identifier"
import { ledgerPrefix } from "@rainlogs/verify/Layout"
import { ConfigProvider, Effect, Layer } from "effect"
import { execFile } from "node:child_process"
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Appliance from "../src/Appliance.ts"
import { DataDirectory } from "../src/DataDirectory.ts"
import * as DemoClient from "../src/demo/DemoClient.ts"
import * as DemoZone from "../src/demo/DemoZone.ts"
import { awaitRound } from "../src/demo/FirstRound.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const data = mkdtempSync(join(tmpdir(), "rainlogs-public-ledger-"))
afterAll(() => rmSync(data, { recursive: true, force: true }))

const environment = Layer.provideMerge(DataDirectory.layer(data), NodeServices.layer)

/** Runs `rainlogs` as a process of its own. */
const rainlogs = (...argv: ReadonlyArray<string>) =>
  Effect.promise(() =>
    new Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>((resolve) => {
      const node = join(root, "node_modules/.bin/node")
      execFile(node, [join(root, "appliance/src/main.ts"), ...argv], (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
      })
    })
  )

it.live(
  "a running appliance is verified over HTTP while it archives, compared with its directory, and caught when it lies",
  () =>
    Effect.gen(function*() {
      const token = "cfut_public-0123456789abcdef"
      const simulator = yield* DemoZone.simulate(token, "public")
      const appliance = Appliance.layer({
        host: "127.0.0.1",
        port: 0,
        settleMs: 90_000,
        cloudflareBaseUrl: simulator.url
      }).pipe(
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ RAINLOGS_PUBLIC_LEDGER: "on" }))),
        Layer.provideMerge(environment)
      )
      yield* Effect.gen(function*() {
        const { url } = yield* Appliance.ApiAddress
        const customer = yield* DemoClient.createCustomer(url, yield* Appliance.adminToken)
        yield* DemoClient.createZone(url, customer.apiKey, {
          name: DemoZone.zoneName,
          cloudflareZoneId: DemoZone.cloudflareZoneId,
          token,
          backfillHours: 2
        })
        const ledger = { customer: CustomerId.make(customer.id), origin: Origin.make(customer.origin) }
        yield* awaitRound(ledger, defaultPlanning, { show: () => {}, clear: () => {} })

        const keys = yield* Effect.promise(async () =>
          (await fetch(`${url}/.well-known/rainlogs/${customer.id}/keys`)).json()
        )
        assert.deepStrictEqual(keys, {
          origin: customer.origin,
          log: customer.vkey,
          clock: customer.clockVkey,
          ledger: `/ledger/${customer.id}`
        })
        const live = `${url}${keys.ledger}`
        const verified = yield* rainlogs("verify", live, "--key", customer.vkey, "--json")
        assert.strictEqual(verified.stderr, "")
        const report = JSON.parse(verified.stdout)
        assert.strictEqual(verified.code, 2)
        assert.isAbove(report.counts.entries, 2)
        assert.isAbove(report.counts.documents, 2)
        assert.notInclude(Object.values(report.verdict), "FAIL", verified.stdout)
        assert.deepStrictEqual(
          report.findings.filter(({ question }: { question: string }) => question === "integrity")
            .map(({ code }: { code: string }) => code),
          ["OBJECTS_NOT_CHECKED"]
        )

        const compared = yield* rainlogs("verify", "compare", join(data, "archive"), live, "--key", customer.vkey)
        assert.deepStrictEqual([compared.code, compared.stderr], [0, ""], compared.stdout)
        const state = join(data, "pinned")
        const watched = yield* rainlogs("verify", "watch", live, "--key", customer.vkey, "--state", state, "--once")
        assert.deepStrictEqual([watched.code, watched.stderr], [0, ""], watched.stdout)

        // Somebody with access to the disk changes a document.
        const events = join(data, "archive", ledgerPrefix(customer.origin), "event")
        const [name = ""] = readdirSync(events)
        const path = join(events, name)
        const bytes = readFileSync(path)
        bytes[bytes.length - 2] = (bytes[bytes.length - 2] ?? 0) ^ 1
        chmodSync(path, 0o600)
        writeFileSync(path, bytes)
        const caught = yield* rainlogs("verify", live, "--key", customer.vkey, "--only", "integrity")
        assert.deepStrictEqual([caught.code, caught.stderr], [1, ""], caught.stdout)
        assert.match(caught.stdout, /OBJECT_HASH_MISMATCH/)

        // A key of somebody else, and a ledger that is not there.
        const missing = yield* rainlogs(
          "verify",
          `${url}/ledger/${"0".repeat(8)}-0000-4000-8000-${"0".repeat(12)}`,
          "--key",
          customer.vkey
        )
        assert.strictEqual(missing.code, 2)
        assert.match(missing.stderr, /checkpoint is not there; check the URL/)
      }).pipe(Effect.provide(appliance))
    }).pipe(Effect.scoped),
  240_000
)
