/**
 * A spool behind a bare HTTP server, to be killed: `ReceiverProcess.ts <directory> <source>` prints its port and answers
 * 200 to what it has stored.
 */
import { Effect, Layer, Stream } from "effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { SourceId } from "../../src/domain/Identifier.ts"
import { BatchSpool } from "../../src/receiver/BatchSpool.ts"

const [directory = "", source = ""] = process.argv.slice(2)

const program = Effect.gen(function*() {
  const spool = yield* BatchSpool
  const run = Effect.runPromiseWith(yield* Effect.context<never>())
  const server = createServer((request, response) => {
    const body = Stream.fromAsyncIterable<Uint8Array, Error>(request, (cause) => cause as Error)
    run(spool.receive(SourceId.make(source), body)).then(
      (receipt) => response.writeHead(200).end(receipt),
      (error: unknown) => response.writeHead(503).end(String(error))
    )
  })
  server.listen(0, "127.0.0.1", () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
  return yield* Effect.never
})

Effect.runFork(Effect.scoped(Effect.provide(program, Layer.fresh(BatchSpool.layer({ directory })))))
