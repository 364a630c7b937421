import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, it } from "@effect/vitest"
import { defaultPlanning } from "@rainlogs/core/archive/PlanWindows"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId } from "@rainlogs/core/domain/Identifier"
import { parseReceiptPath, type ReceiptPath } from "@rainlogs/verify/Anchored"
import { checkpointArchivePath, ledgerPrefix } from "@rainlogs/verify/Layout"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { parsePem } from "@rainlogs/verify/timestamp/Certificate"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { verifyArchive } from "@rainlogs/verify/VerifyArchive"
import { ConfigProvider, Effect, Layer, Redacted } from "effect"
import { createHmac } from "node:crypto"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type RequestListener } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { LocalAuthority } from "../../packages/core/test/anchor/LocalAuthority.ts"
import * as Appliance from "../src/Appliance.ts"
import { DataDirectory } from "../src/DataDirectory.ts"
import * as DemoClient from "../src/demo/DemoClient.ts"
import * as DemoZone from "../src/demo/DemoZone.ts"
import { awaitRound } from "../src/demo/FirstRound.ts"

const directory = mkdtempSync(join(tmpdir(), "rainlogs-anchoring-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const listening = (listener: RequestListener) =>
  Effect.acquireRelease(
    Effect.promise(() =>
      new Promise<{ readonly url: string; readonly stop: () => void }>((resolve) => {
        const server = createServer(listener)
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          const port = typeof address === "object" && address !== null ? address.port : 0
          resolve({
            url: `http://127.0.0.1:${port}/`,
            stop: () => {
              server.close()
              server.closeAllConnections()
            }
          })
        })
      })
    ),
    ({ stop }) => Effect.sync(stop)
  )

const bodyOf = async (request: AsyncIterable<Buffer>): Promise<Buffer> => {
  const parts: Array<Buffer> = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts)
}

const secret = Buffer.alloc(32, 9)

/** The receipts below a ledger's directory. */
const receiptsIn = (ledger: string): ReadonlyArray<ReceiptPath & { readonly file: string }> => {
  const root = join(ledger, "anchor")
  if (!existsSync(root)) return []
  return readdirSync(root, { recursive: true, encoding: "utf8" }).flatMap((name) => {
    const path = parseReceiptPath(`anchor/${name}`)
    return path === null ? [] : [{ ...path, file: join(root, name) }]
  })
}

it.live(
  "an archive is anchored by an authority, a second store and a webhook, and openssl and the verifier agree",
  () =>
    Effect.gen(function*() {
      const [data, second, roots] = ["data", "second", "roots.pem"].map((name) => join(directory, name))
      const authority = yield* Effect.acquireRelease(
        Effect.promise(() => LocalAuthority.make()),
        (running) => Effect.sync(() => running.dispose())
      )
      writeFileSync(roots!, authority.roots)
      const tsa = yield* listening((request, response) =>
        void bodyOf(request).then((query) => authority.reply(query)).then((answer) =>
          response.writeHead(200, { "content-type": "application/timestamp-reply" }).end(answer)
        )
      )
      const posted: Array<{ readonly signature: unknown; readonly expected: string; readonly body: string }> = []
      const webhook = yield* listening((request, response) =>
        void bodyOf(request).then((body) => {
          const { "webhook-id": id, "webhook-signature": signature, "webhook-timestamp": time } = request.headers
          const expected = `v1,${createHmac("sha256", secret).update(`${id}.${time}.${body}`).digest("base64")}`
          posted.push({ signature, expected, body: body.toString() })
          return response.writeHead(204).end()
        })
      )
      const settings = ConfigProvider.layer(ConfigProvider.fromUnknown({
        RAINLOGS_TSA_URLS: `local=${tsa.url}`,
        RAINLOGS_TSA_ROOTS: roots,
        RAINLOGS_ANCHOR_DIRECTORY: second,
        RAINLOGS_ANCHOR_WEBHOOK_URL: webhook.url,
        RAINLOGS_ANCHOR_WEBHOOK_SECRET: `whsec_${secret.toString("base64")}`
      }))
      const cloudflareToken = "cfut_anchoring-0123456789abcdef"
      const simulator = yield* DemoZone.simulate(cloudflareToken, "anchoring")
      const { customer, health, metrics } = yield* Effect.gen(function*() {
        const { url } = yield* Appliance.ApiAddress
        const customer = yield* DemoClient.createCustomer(url, yield* Appliance.adminToken)
        yield* DemoClient.createZone(url, customer.apiKey, {
          name: DemoZone.zoneName,
          cloudflareZoneId: DemoZone.cloudflareZoneId,
          token: cloudflareToken,
          backfillHours: 1
        })
        const ledger = { customer: CustomerId.make(customer.id), origin: Origin.make(customer.origin) }
        yield* awaitRound(ledger, defaultPlanning, { show: () => {}, clear: () => {} })
        // Every anchor has its receipt, and the published ledger says so.
        const prefix = join(data!, "archive", ledgerPrefix(customer.origin))
        for (;;) {
          const anchors = new Set(receiptsIn(prefix).map(({ anchor }) => anchor))
          const served = Number(readFileSync(join(prefix, "checkpoint"), "utf8").split("\n")[1])
          const stamped = receiptsIn(prefix).reduce((largest, { size }) => Math.max(largest, size), 0)
          if (anchors.size === 3 && served >= stamped + 3) break
          yield* Effect.sleep("100 millis")
        }
        const get = (path: string) => Effect.promise(async () => (await fetch(`${url}${path}`)).text())
        return { customer, health: JSON.parse(yield* get("/health")), metrics: yield* get("/metrics") }
      }).pipe(Effect.provide(
        Appliance.layer({
          host: "127.0.0.1",
          port: 0,
          settleMs: 90_000,
          cloudflareBaseUrl: simulator.url,
          anchorSweepMs: 300
        }).pipe(
          Layer.provideMerge(DataDirectory.layer(data!)),
          Layer.provideMerge(Layer.merge(NodeServices.layer, settings))
        )
      ))

      const archive = join(data!, "archive")
      const prefix = join(archive, ledgerPrefix(customer.origin))
      const receipts = receiptsIn(prefix)
      const timestamp = receipts.findLast(({ anchor }) => anchor === "local")
      const checkpoint = join(prefix, checkpointArchivePath(timestamp!.size))
      const said = yield* Effect.promise(() => authority.verify(timestamp!.file, checkpoint))
      assert.include(said, "Verification: OK")

      for (const { anchor, size } of receipts) {
        const bytes = readFileSync(join(prefix, checkpointArchivePath(size)))
        if (anchor === "bucket") {
          const copy = join(second!, ledgerPrefix(customer.origin), checkpointArchivePath(size))
          assert.deepStrictEqual(readFileSync(copy), bytes)
        }
        if (anchor === "webhook") {
          assert.isTrue(posted.some(({ body }) => JSON.parse(body).checkpoint === bytes.toString("base64")))
        }
      }
      for (const { expected, signature } of posted) assert.strictEqual(signature, expected)

      assert.strictEqual(health.anchors.configured, 3)
      assert.strictEqual(health.anchors.failing, 0)
      assert.strictEqual(health.status, "ok")
      assert.match(metrics, new RegExp(`rainlogs_anchor_debt_seconds\\{.*${customer.origin}`))

      const report = yield* Effect.promise(async () =>
        verifyArchive(await openDirectory(archive), {
          keys: [parseVerifierKey(customer.vkey)],
          timestampRoots: parsePem(authority.roots)
        })
      )
      assert.strictEqual(report.verdict.integrity, "PASS", JSON.stringify(report.findings))
      assert.strictEqual(report.verdict.anchoring, "PASS", JSON.stringify(report.findings))
      assert.notInclude(metrics + JSON.stringify(health), Redacted.value(customer.apiKey))
    }).pipe(Effect.scoped),
  120_000
)
