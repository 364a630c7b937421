/**
 * `rainlogs witness`: cosigns the checkpoints of logs that somebody else runs, on another machine.
 */
import { lock } from "@rainlogs/core/ledger/SignerLock"
import { Witness } from "@rainlogs/core/witness/Witness"
import { openWitnessKey } from "@rainlogs/core/witness/WitnessKeyFile"
import { serveWitness } from "@rainlogs/core/witness/WitnessServer"
import { MalformedError } from "@rainlogs/verify/Malformed"
import { parseVerifierKey, printVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Console, Effect, Option, Redacted, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { mkdir } from "node:fs/promises"
import { join, resolve } from "node:path"

/** The witness cannot run; the message says why and what to do. */
export class WitnessFailed extends Schema.TaggedError<WitnessFailed>()("WitnessFailed", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

const failed = (cause: unknown) => new WitnessFailed({ detail: cause instanceof Error ? cause.message : String(cause) })
const attempt = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: failed })

const logKey = (text: string) => {
  try {
    const key = parseVerifierKey(text)
    if (key.type === 1) return key
    throw new MalformedError("verifier key", "a log's key is of type 1")
  } catch (error) {
    throw new Error(`--log "${text}": ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

interface Request {
  readonly data: string
  readonly host: string
  readonly port: number
  readonly log: ReadonlyArray<string>
  readonly name: Option.Option<string>
}

const run = Effect.fn("witness")(function*({ data, host, log, name, port }: Request) {
  const directory = resolve(data)
  if (log.length === 0) return yield* new WitnessFailed({ detail: "name the logs to watch: --log VKEY, once for each" })
  const logs = yield* Effect.try({ try: () => log.map(logKey), catch: failed })
  yield* attempt(() => mkdir(directory, { recursive: true, mode: 0o700 }))
  yield* Effect.acquireRelease(
    attempt(() => lock(join(directory, "lock"))),
    (held) => Effect.promise(() => held.release()).pipe(Effect.ignore)
  )
  const signer = yield* attempt(() => openWitnessKey(join(directory, "witness.key"), Option.getOrNull(name)))
  const witness = new Witness({ directory, signer: Redacted.value(signer), logs })
  const warn = (error: unknown) => process.stderr.write(`rainlogs witness: ${failed(error).detail}\n`)
  const server = yield* Effect.acquireRelease(
    attempt(() => serveWitness(witness, { host, port }, warn)),
    (server) =>
      Effect.promise(() =>
        new Promise<void>((done) => {
          server.close(() => done())
          server.closeIdleConnections()
        })
      )
  )
  const address = server.address()
  const bound = typeof address === "object" && address !== null ? address.port : port
  yield* Console.log(`vkey ${printVerifierKey(Redacted.value(signer).key)}`)
  yield* Console.log(`listening http://${host}:${bound}/add-checkpoint, ${logs.length} logs`)
  return yield* Effect.never
})

/** The command. */
export const command = Command.make("witness", {
  data: Flag.String("data").pipe(
    Flag.withDescription("Where its key and its memory lie"),
    Flag.withDefault("rainlogs-witness")
  ),
  host: Flag.String("host").pipe(Flag.withDescription("Address to listen on"), Flag.withDefault("127.0.0.1")),
  port: Flag.Int("port").pipe(Flag.withDescription("Port; 0 chooses a free one"), Flag.withDefault(8090)),
  log: Flag.String("log").pipe(
    Flag.withDescription("Verifier key of a log it watches; may be repeated"),
    Flag.atLeast(0)
  ),
  name: Flag.String("name").pipe(
    Flag.withDescription("Its name at the first start, such as witness.example.org/w1"),
    Flag.optional
  )
}, (request) => Effect.scoped(run(request))).pipe(
  Command.withDescription("Run a witness (C2SP tlog-witness): cosign checkpoints that only grow, and remember them"),
  Command.withExamples([
    {
      command: "rainlogs witness --data /var/lib/witness --name witness.example.org/w1 --log \"$VKEY\"",
      description: "On a machine that whoever runs the archive does not control"
    }
  ])
)
