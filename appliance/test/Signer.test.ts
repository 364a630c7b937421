import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, it } from "@effect/vitest"
import { defaultPlanning } from "@rainlogs/core/archive/PlanWindows"
import { WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId } from "@rainlogs/core/domain/Identifier"
import { Publisher } from "@rainlogs/core/ledger/Publisher"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { verifyArchive } from "@rainlogs/verify/VerifyArchive"
import { ConfigProvider, Effect, Layer } from "effect"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type SignerProcess, startSigner, stopSigner } from "../../packages/core/test/signer/SignerProcess.ts"
import * as Appliance from "../src/Appliance.ts"
import * as ConfiguredSigner from "../src/ConfiguredSigner.ts"
import { DataDirectory } from "../src/DataDirectory.ts"
import * as DemoClient from "../src/demo/DemoClient.ts"
import * as DemoZone from "../src/demo/DemoZone.ts"
import { awaitRound } from "../src/demo/FirstRound.ts"

const data = mkdtempSync(join(tmpdir(), "rainlogs-remote-"))
const signerData = mkdtempSync(join(tmpdir(), "rainlogs-remote-signer-"))
afterAll(() => {
  for (const path of [data, signerData]) rmSync(path, { recursive: true, force: true })
})

const configured = (socket: string) =>
  ConfigProvider.layer(ConfigProvider.fromUnknown({
    RAINLOGS_SIGNER_URL: `unix:${socket}`,
    RAINLOGS_SIGNER_TOKEN_FILE: join(signerData, "request.token")
  }))
const silent = { show: () => {}, clear: () => {} }

it.live(
  "an archive whose signer is another process collects, outlives its kill, and verifies",
  () =>
    Effect.gen(function*() {
      let running: SignerProcess = yield* Effect.acquireRelease(
        Effect.promise((): Promise<SignerProcess> => startSigner(signerData)),
        (): Effect.Effect<unknown> => Effect.promise(() => stopSigner(running))
      )
      const token = "cfut_remote-0123456789abcdef"
      const simulator = yield* DemoZone.simulate(token, "remote")
      const environment = Layer.mergeAll(NodeServices.layer, configured(running.socket)).pipe(
        (services) => Layer.provideMerge(DataDirectory.layer(data), services)
      )
      const appliance = Appliance.layer({
        host: "127.0.0.1",
        port: 0,
        settleMs: 90_000,
        cloudflareBaseUrl: simulator.url
      }).pipe(Layer.provideMerge(environment))
      const customer = yield* Effect.gen(function*() {
        const { url } = yield* Appliance.ApiAddress
        const created = yield* DemoClient.createCustomer(url, yield* Appliance.adminToken)
        const ledger = { customer: CustomerId.make(created.id), origin: Origin.make(created.origin) }
        const publisher = yield* Publisher
        const windows = yield* WindowLedger
        // Killed before the zone is known: all that is collected now is collected without a signer.
        yield* Effect.promise(() => stopSigner(running))
        const signed = (yield* publisher.status(ledger)).publishedSize
        yield* DemoClient.createZone(url, created.apiKey, {
          name: DemoZone.zoneName,
          cloudflareZoneId: DemoZone.cloudflareZoneId,
          token,
          backfillHours: 2
        })
        for (let committed = 0; committed < 3;) {
          yield* Effect.sleep("200 millis")
          committed = (yield* windows.progress(ledger.customer)).reduce(
            (sum, { windows }) => sum + windows.committed,
            0
          )
        }
        const without = yield* publisher.status(ledger)
        assert.deepStrictEqual([without.publishedSize, without.halted], [signed, null])
        assert.isAbove(without.sqlSize, signed)
        running = yield* Effect.promise(() => startSigner(signerData))
        while ((yield* publisher.status(ledger)).publishedSize <= signed) yield* Effect.sleep("200 millis")
        yield* awaitRound(ledger, defaultPlanning, silent)
        return created
      }).pipe(Effect.provide(appliance))
      assert.deepStrictEqual(readdirSync(join(data, "signer")), [], "no key is in the archive's own directory")
      const report = yield* Effect.promise(async () =>
        verifyArchive(await openDirectory(join(data, "archive")), { keys: [parseVerifierKey(customer.vkey)] })
      )
      assert.deepStrictEqual(
        [report.verdict.integrity, report.verdict.completeness],
        ["PASS", "PASS"],
        JSON.stringify(report.findings)
      )
    }).pipe(Effect.scoped),
  240_000
)

const failureOf = (values: Record<string, string>, prepare: (directory: string) => void = () => {}) =>
  Effect.gen(function*() {
    const root = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "rainlogs-signer-url-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    mkdirSync(join(root, "signer"), { mode: 0o700 })
    prepare(join(root, "signer"))
    const layer = ConfiguredSigner.layer.pipe(
      Layer.provide(DataDirectory.layer(root)),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(values)))
    )
    const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
    return error.message
  }).pipe(Effect.scoped)

it.live("says what is wrong with the settings, and never runs with keys in two places", () =>
  Effect.gen(function*() {
    const url = "unix:/run/rainlogs-signer/signer.sock"
    const good = "0".repeat(64)
    assert.match(yield* failureOf({ RAINLOGS_SIGNER_URL: url }), /needs RAINLOGS_SIGNER_TOKEN or/)
    assert.match(yield* failureOf({ RAINLOGS_SIGNER_URL: url, RAINLOGS_SIGNER_TOKEN: "x" }), /not a signer's token/)
    assert.match(
      yield* failureOf({ RAINLOGS_SIGNER_URL: "http://10.0.0.5:1", RAINLOGS_SIGNER_TOKEN: good }),
      /use https/
    )
    assert.match(yield* failureOf({ RAINLOGS_SIGNER_URL: "nonsense", RAINLOGS_SIGNER_TOKEN: good }), /unix:\/path/)
    assert.match(
      yield* failureOf({ RAINLOGS_SIGNER_URL: url, RAINLOGS_SIGNER_TOKEN_FILE: "/nowhere/token" }),
      /there is no file/
    )
    const left = yield* failureOf({ RAINLOGS_SIGNER_URL: url, RAINLOGS_SIGNER_TOKEN: good }, (directory) => {
      writeFileSync(join(directory, `${"a".repeat(64)}.keys`), "")
    })
    assert.match(left, /still holds keys.*move the whole directory/)
  }))
