import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, it } from "@effect/vitest"
import { defaultPlanning } from "@rainlogs/core/archive/PlanWindows"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { verify as verifySignature } from "@rainlogs/verify/node/NativeEd25519"
import { sha256 } from "@rainlogs/verify/node/NativeSha256"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { verifyArchive } from "@rainlogs/verify/VerifyArchive"
import { ConfigProvider, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import * as Appliance from "../src/Appliance.ts"
import { DataDirectory } from "../src/DataDirectory.ts"
import * as DemoClient from "../src/demo/DemoClient.ts"
import * as DemoZone from "../src/demo/DemoZone.ts"

const data = mkdtempSync(join(tmpdir(), "rainlogs-receiver-"))
afterAll(() => rmSync(data, { recursive: true, force: true }))

const name = "cloudflare/logpush/http_requests"
const line = (id: string) => `{"RayID":"${id}","EdgeStartTimestamp":1767225600123456789}\n`

interface Job {
  readonly id: string
  readonly source: string
  readonly state: string
  readonly window: { readonly from: number; readonly to: number }
  readonly gapReason: string | null
}

it.live(
  "a Logpush job's batches are archived once, outages of the receiver are gaps, and the archive verifies",
  () =>
    Effect.gen(function*() {
      const token = "cfut_push-0123456789abcdef"
      const simulator = yield* DemoZone.simulate(token, "push")
      simulator.zones.get(DemoZone.cloudflareZoneId)!.setRetention(false, Date.now())
      const start = Effect.gen(function*() {
        const scope = yield* Scope.make()
        const appliance = Appliance.layer({
          host: "127.0.0.1",
          port: 0,
          settleMs: 90_000,
          receiverSettleMs: 1500,
          cloudflareBaseUrl: simulator.url,
          planning: { ...defaultPlanning, liveWindowMs: 2000, longestWindowMs: 60_000 }
        }).pipe(
          Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({}))),
          Layer.provideMerge(Layer.provideMerge(DataDirectory.layer(data), NodeServices.layer))
        )
        const context = yield* Layer.buildWithScope(appliance, scope)
        const { url } = yield* Appliance.ApiAddress.pipe(Effect.provideContext(context))
        return { scope, context, url }
      })
      const call = (url: string, key: string | null, body?: Uint8Array | string) =>
        Effect.promise(async () => {
          const response = await fetch(url, {
            method: body === undefined ? "GET" : "POST",
            headers: {
              ...key === null ? {} : { authorization: `Bearer ${key}` },
              ...typeof body === "string" ? { "content-type": "application/json" } : {}
            },
            ...body === undefined ? {} : { body: typeof body === "string" ? body : new Uint8Array(body) }
          })
          return { status: response.status, text: await response.text() }
        })

      let running = yield* start
      const customer = yield* Effect.flatMap(
        Appliance.adminToken,
        (admin) => DemoClient.createCustomer(running.url, admin)
      )
        .pipe(Effect.provideContext(running.context))
      const key = Redacted.value(customer.apiKey)
      const zone = yield* DemoClient.createZone(running.url, customer.apiKey, {
        name: DemoZone.zoneName,
        cloudflareZoneId: DemoZone.cloudflareZoneId,
        token,
        backfillHours: 0
      })
      const accept = () =>
        Effect.map(
          call(`${running.url}/api/v1/zones/${zone.id}/logpush`, key, JSON.stringify({ dataset: "http_requests" })),
          ({ status, text }) => {
            assert.strictEqual(status, 201, text)
            const body: { readonly path: string; readonly secret: string; readonly destination: string } = JSON.parse(
              text
            )
            return body
          }
        )
      const first = yield* accept()
      assert.include(first.destination, `${first.path}?header_Authorization=Bearer%20${first.secret}`)
      const { path, secret } = yield* accept()
      const push = (bytes: Uint8Array, credential: string | null = secret, to = path) =>
        call(`${running.url}${to}`, credential, bytes)
      const told = Effect.fnUntraced(function*(bytes: Uint8Array, credential?: string | null, to?: string) {
        const { status, text } = yield* push(bytes, credential, to)
        return `${status} ${text.trim()}`
      })

      assert.strictEqual(yield* told(gzipSync("{\"content\":\"tests\"}")), "200 destination-check")
      for (
        const [wrong, to] of [[null, path], [first.secret, path], ["x", path], [
          secret,
          path.replace(/.$/, (last) => last === "0" ? "1" : "0")
        ]] as const
      ) {
        assert.strictEqual(yield* told(gzipSync(line("no")), wrong, to), "401 a valid secret is needed")
      }
      assert.strictEqual((yield* push(gzipSync(Buffer.alloc(20 * 1024 ** 2, "a")))).status, 413)
      assert.strictEqual((yield* push(gzipSync(line("cut")).subarray(0, 15))).status, 400)

      const truth: Array<string> = []
      for (let batch = 0; batch < 20; batch++) {
        const lines = Array.from({ length: 1 + batch % 7 }, (_, index) => line(`${batch}-${index}`))
        truth.push(...lines)
        const body = Buffer.from(lines.join(""))
        assert.strictEqual(yield* told(batch % 2 === 0 ? gzipSync(body) : body), "200 stored")
        if (batch % 5 === 0) assert.strictEqual(yield* told(gzipSync(body)), "200 repeated")
        yield* Effect.sleep("150 millis")
      }
      assert.strictEqual(
        yield* told(Buffer.from(`${line("good")}this is no JSON\n${line("last").trimEnd()}`)),
        "200 stored"
      )
      truth.push(
        line("good"),
        `{"RainlogsMalformedLine":"${Buffer.from("this is no JSON").toString("base64")}"}\n`,
        line("last")
      )

      const jobs = Effect.suspend(() => call(`${running.url}/api/v1/zones/${zone.id}/logs?limit=1000`, key)).pipe(
        Effect.map(({ text }): ReadonlyArray<Job> => JSON.parse(text).jobs.filter((job: Job) => job.source === name))
      )
      const archived = Effect.gen(function*() {
        const committed = (yield* jobs).filter(({ state }) => state === "committed")
        const texts = yield* Effect.forEach(
          committed,
          ({ id }) => call(`${running.url}/api/v1/logs/jobs/${id}/download`, key),
          { concurrency: 4 }
        )
        return texts.flatMap(({ text }) => text.split("\n").filter((one) => one !== "").map((one) => `${one}\n`))
      })
      const untilArchived = (count: number) =>
        Effect.gen(function*() {
          for (let tries = 0; tries < 160; tries++) {
            const lines = yield* archived
            if (lines.length >= count) return lines
            yield* Effect.sleep("500 millis")
          }
          return yield* Effect.die(new Error(`of ${count} lines only some came in time`))
        })
      assert.deepStrictEqual((yield* untilArchived(truth.length)).toSorted(), truth.toSorted())

      // The process ends, comes back after a while, and the sender goes on where it was not confirmed.
      yield* Scope.close(running.scope, Exit.void)
      yield* Effect.sleep("14 seconds")
      running = yield* start
      assert.strictEqual(yield* told(gzipSync(line("19-0") + line("after"))), "200 stored")
      truth.push(line("after"))
      assert.deepStrictEqual((yield* untilArchived(truth.length)).toSorted(), truth.toSorted())
      const gapsNow = Effect.map(jobs, (all) => all.filter(({ state }) => state === "gap"))
      let gaps = yield* gapsNow
      for (let tries = 0; gaps.length === 0 && tries < 60; tries++) {
        yield* Effect.sleep("500 millis")
        gaps = yield* gapsNow
      }
      assert.deepStrictEqual(gaps.map(({ gapReason }) => gapReason), ["outage"])
      const [gap] = gaps
      assert.isAbove(gap!.window.to - gap!.window.from, 10_000)
      assert.isBelow(gap!.window.to - gap!.window.from, 60_000)

      // The gap is in the ledger; what is verified is what has been published of it.
      const unpublished = Effect.map(
        call(`${running.url}/health`, null),
        ({ text }): number | undefined => JSON.parse(text).ledgers?.unpublishedEntries
      )
      for (let tries = 0; (yield* unpublished) !== 0; tries++) {
        assert.isBelow(tries, 120, "the gap was not published in time")
        yield* Effect.sleep("250 millis")
      }
      yield* Scope.close(running.scope, Exit.void)
      const report = yield* Effect.promise(async () =>
        verifyArchive(await openDirectory(join(data, "archive")), {
          keys: [parseVerifierKey(customer.vkey)],
          sha256,
          verifySignature
        })
      )
      assert.strictEqual(report.verdict.integrity, "PASS")
      // What was received in the last moments before the stop is pending, and nothing else is missing.
      const completeness = report.findings.filter(({ question }) => question === "completeness")
      const codes = new Set(completeness.map(({ code }) => code).filter((code) => code !== "COVERAGE_PENDING"))
      assert.deepStrictEqual([...codes], ["GAP_DECLARED"], JSON.stringify(completeness))
      assert.deepStrictEqual(readdirSync(join(data, "receiver", "incoming")), [])
    }).pipe(Effect.scoped),
  180_000
)
