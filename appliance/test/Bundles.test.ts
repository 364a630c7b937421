/**
 * Bundles of a running appliance: killed in the middle, finished by the next start, and the same as the command's.
 */
import { assert, describe, it } from "@effect/vitest"
import type { BundleResource } from "@rainlogs/core/api/BundleResource"
import { verifyBundle } from "@rainlogs/verify/bundle/VerifyBundle"
import { newHash, withBundleFile } from "@rainlogs/verify/node/BundleFile"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Effect, Redacted } from "effect"
import { createHash } from "node:crypto"
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as DemoClient from "../src/demo/DemoClient.ts"
import * as DemoZone from "../src/demo/DemoZone.ts"
import { run, serve, type ServeProcess } from "./ServeProcess.ts"

const token = "cfut_bundles-0123456789abcdef"

// What an answer must come to; a machine that is busy gets all the time it needs.
const until = async <A>(what: string, ask: () => A | undefined | Promise<A | undefined>): Promise<A> => {
  const began = Date.now()
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (Date.now() - began > 150_000) throw new Error(`${what} did not come about`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

type Shown = typeof BundleResource.Encoded

const client = (server: ServeProcess, key: string) => {
  const send = (method: string, path: string, body?: object) =>
    fetch(`${server.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, ...body === undefined ? {} : { "content-type": "application/json" } },
      ...body === undefined ? {} : { body: JSON.stringify(body) }
    })
  const shown = async (id: string): Promise<Shown> => (await send("GET", `/api/v1/bundles/${id}`)).json()
  return {
    send,
    shown,
    ask: async (body: object): Promise<Shown> => {
      const answer = await send("POST", "/api/v1/bundles", body)
      assert.strictEqual(answer.status, 202)
      return answer.json()
    },
    ready: (id: string) =>
      until(`bundle ${id}`, async () => {
        const bundle = await shown(id)
        assert.notStrictEqual(bundle.state, "failed", `${JSON.stringify(bundle)}\n${server.log()}`)
        return bundle.state === "ready" ? bundle : undefined
      }),
    content: async (id: string) => {
      const answer = await send("GET", `/api/v1/bundles/${id}/content`)
      assert.strictEqual(answer.status, 200)
      return Buffer.from(await answer.arrayBuffer())
    }
  }
}

interface Job {
  readonly key: string | null
  readonly window: { readonly start: string; readonly end: string }
}

describe("bundles of a running appliance", () => {
  it.live(
    "a bundle survives kill -9 while its file is written, verifies, and has the bytes the command writes",
    () =>
      Effect.gen(function*() {
        const data = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "rainlogs-bundles-"))),
          (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
        )
        const simulator = yield* DemoZone.simulate(token, "bundles")
        const started = (server: Promise<ServeProcess>) =>
          Effect.acquireRelease(Effect.promise(() => server), ({ kill }) => Effect.promise(kill))

        const first = yield* started(serve(data, simulator.url))
        const customer = yield* DemoClient.createCustomer(first.url, Redacted.make(first.adminToken))
        const key = Redacted.value(customer.apiKey)
        const zone = yield* DemoClient.createZone(first.url, customer.apiKey, {
          name: DemoZone.zoneName,
          cloudflareZoneId: DemoZone.cloudflareZoneId,
          token,
          backfillHours: 2
        })
        yield* Effect.promise(async () => {
          const { ask, send } = client(first, key)
          const jobs = await until("a committed window", async () => {
            const page: { readonly jobs: ReadonlyArray<Job> } =
              await (await send("GET", `/api/v1/zones/${zone.id}/logs`))
                .json()
            const committed = page.jobs.filter((job) => job.key !== null)
            return committed.length > 0 ? committed : undefined
          })
          const [job] = jobs
          const range = { from: job?.window.start ?? "", to: job?.window.end ?? "" }
          const command = (...more: ReadonlyArray<string>) =>
            run(["bundle", "--data", data, "--zone", zone.id, "--from", range.from, "--to", range.to, ...more])
          const ledger = await until("a publication", async () => {
            const { id } = await ask({ zone: zone.id, ...range })
            const bundle = await client(first, key).ready(id)
            await send("DELETE", `/api/v1/bundles/${id}`)
            return bundle.file?.objects === 1 ? bundle : undefined
          })
          assert.isNull(ledger.error)

          // The object becomes a file of 2 GiB without blocks, so that there is a middle to be killed in.
          const object = join(data, "archive", job?.key ?? "")
          const whole = readFileSync(object)
          rmSync(object)
          writeFileSync(object, whole)
          truncateSync(object, 2 * 1024 ** 3)
          const { id } = await ask({ zone: zone.id, ...range })
          const folder = join(data, "bundles", customer.id)
          const part = join(folder, `${id}-1.zip.part`)
          await until("the growing file", () => existsSync(part) && statSync(part).size > 0 ? true : undefined)
          await first.kill()
          assert.deepStrictEqual(readdirSync(folder), [`${id}-1.zip.part`])
          truncateSync(object, whole.length)
          assert.isTrue(readFileSync(object).equals(whole))

          const second = await serve(data, simulator.url)
          try {
            const { ask, content, ready, send } = client(second, key)
            const bundle = await ready(id)
            assert.strictEqual(bundle.attempts, 2)
            assert.deepStrictEqual(readdirSync(folder), [`${id}-2.zip`])
            const bytes = await content(id)
            assert.strictEqual(createHash("sha256").update(bytes).digest("hex"), bundle.file?.sha256)
            const report = await withBundleFile(
              join(folder, `${id}-2.zip`),
              (file) => verifyBundle(file, { keys: [parseVerifierKey(customer.vkey)] }, newHash)
            )
            assert.strictEqual(report.verdict.integrity, "PASS", JSON.stringify(report.findings))
            assert.strictEqual(report.counts.objects, 1)

            // The archive goes on meanwhile: a pair made of the same published ledger must be the same.
            const out = join(data, "command.zip")
            await until("a bundle and a command of the same ledger", async () => {
              const { id } = await ask({ zone: zone.id, ...range })
              const made = await ready(id)
              const mine = await content(id)
              await send("DELETE", `/api/v1/bundles/${id}`)
              const { code, stderr, stdout } = await command("--json", "--out", out)
              assert.strictEqual(code, 0, stderr)
              const said: { readonly size: number; readonly sha256: string } = JSON.parse(stdout)
              if (said.size !== made.file?.ledgerSize) return undefined
              assert.strictEqual(said.sha256, made.file.sha256)
              assert.isTrue(readFileSync(out).equals(mine))
              return true
            })
            assert.deepStrictEqual(readdirSync(data).filter((name) => name.endsWith(".part")), [])
            assert.match(
              await (await fetch(`${second.url}/metrics`)).text(),
              /^rainlogs_bundles_open\{.*requested.*\} 0$/m
            )

            const again = await command("--out", join(data, "no", "such", "a.zip"))
            assert.strictEqual(again.code, 1)
            assert.match(again.stderr, /cannot be read|ENOENT/)
          } finally {
            await second.kill()
          }
        })
      }).pipe(Effect.scoped),
    400_000
  )
})
