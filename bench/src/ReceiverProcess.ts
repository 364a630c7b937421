/**
 * The measured process of the receiver benchmark: `ReceiverProcess.ts <directory>` takes batches with the server's own
 * route and spool, prints its address, and on a line of standard input what it took.
 */
import { CustomerId, Sha256Hex, SourceId, ZoneId } from "@rainlogs/core/domain/Identifier"
import { BatchSpool } from "@rainlogs/core/receiver/BatchSpool"
import { Senders } from "@rainlogs/core/receiver/Senders"
import * as LogpushReceiver from "@rainlogs/server/api/LogpushReceiver"
import * as ProblemResponses from "@rainlogs/server/api/ProblemResponses"
import * as HttpServerPlatform from "@rainlogs/server/http/HttpServerPlatform"
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { createHash } from "node:crypto"
import { createInterface } from "node:readline"
import * as Logging from "../../appliance/src/Logging.ts"
import { peakRssBytes } from "./Measure.ts"

/** The source and secret of the benchmark. */
export const benchSource = "01980000-0000-7000-8000-000000000003"
/** The secret that goes with it. */
export const benchSecret = "secret-of-a-benchmark"

const sender = {
  customer: CustomerId.make("01980000-0000-7000-8000-000000000001"),
  zone: ZoneId.make("01980000-0000-7000-8000-000000000002"),
  source: SourceId.make(benchSource),
  name: "cloudflare/logpush/http_requests" as const,
  secretSha256: Sha256Hex.make(createHash("sha256").update(benchSecret).digest("hex"))
}

const senders = Layer.succeed(
  Senders,
  Senders.of({
    admit: (source, secret) => source === benchSource && secret === benchSecret ? sender : undefined,
    knows: () => true,
    all: () => [sender],
    refresh: Effect.void
  })
)

if (import.meta.main) {
  const [directory = ""] = process.argv.slice(2)
  const program = Effect.gen(function*() {
    const server = yield* HttpServer.HttpServer
    const cpu = process.cpuUsage()
    process.stdout.write(`${HttpServer.formatAddress(server.address)}\n`)
    yield* Effect.promise(() =>
      new Promise<void>((resolve) => createInterface({ input: process.stdin }).once("line", () => resolve()))
    )
    const { system, user } = process.cpuUsage(cpu)
    process.stdout.write(`${JSON.stringify({ cpuSeconds: (user + system) / 1e6, peakRssMb: peakRssBytes() / 1e6 })}\n`)
  })
  const routes = Layer.merge(LogpushReceiver.layer, ProblemResponses.layer)
  const live = HttpRouter.serve(routes, { disableLogger: true }).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        HttpServer.layerServices,
        HttpServerPlatform.layer({ hostname: "127.0.0.1", port: 0 }),
        BatchSpool.layer({ directory }),
        senders
      )
    )
  )
  Effect.runPromise(Effect.provide(program, Layer.provideMerge(live, Logging.layer("Warn")))).then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`)
      process.exit(1)
    }
  )
}
