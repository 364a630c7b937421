/**
 * `rainlogs signer`: holds the log keys in a process of its own, best under a user of its own.
 */
import * as SignerLocal from "@rainlogs/core/ledger/SignerLocal"
import { isLoopback, listen, parseListenAddress } from "@rainlogs/core/signer/ListenAddress"
import * as SignerDirectory from "@rainlogs/core/signer/SignerDirectory"
import { makeSignerServer } from "@rainlogs/core/signer/SignerServer"
import * as SignerService from "@rainlogs/core/signer/SignerService"
import { openSignerToken, requestKey, signerTokenFile } from "@rainlogs/core/signer/SignerToken"
import { Console, Effect, Option, Redacted, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { readFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import * as Logging from "../Logging.ts"

/** The signer cannot run; the message says why and what to do. */
export class SignerFailed extends Schema.TaggedError<SignerFailed>()("SignerFailed", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

const failed = (cause: unknown) => new SignerFailed({ detail: cause instanceof Error ? cause.message : String(cause) })
const attempt = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: failed })

interface Request {
  readonly data: string
  readonly listen: string
  readonly certificate: Option.Option<string>
  readonly key: Option.Option<string>
  readonly json: boolean
}

const tlsOf = Effect.fnUntraced(function*(request: Request) {
  const { certificate, key } = request
  if (Option.isNone(certificate) && Option.isNone(key)) return {}
  if (Option.isNone(certificate) || Option.isNone(key)) {
    return yield* new SignerFailed({ detail: "--certificate and --key come together" })
  }
  return {
    tls: {
      certificate: yield* attempt(() => readFile(certificate.value, "utf8")),
      key: Redacted.make(yield* attempt(() => readFile(key.value, "utf8")))
    }
  }
})

const run = Effect.fn("signer")(function*(request: Request) {
  const directory = resolve(request.data)
  const address = yield* Effect.try({ try: () => parseListenAddress(request.listen), catch: failed })
  const tls = yield* tlsOf(request)
  const scheme = "tls" in tls ? "https" : "http"
  if (address.kind === "tcp" && scheme === "http" && !isLoopback(address.host)) {
    const detail = `--listen ${request.listen}: the token would cross the network readable; ` +
      "use --certificate and --key, a Unix socket, or a loopback address behind a tunnel"
    return yield* new SignerFailed({ detail })
  }
  const signer = yield* SignerLocal.make({ directory }).pipe(Effect.mapError(({ detail }) => failed(detail)))
  const token = yield* attempt(() => openSignerToken(directory))
  const service = SignerService.make({
    signer,
    requestKey: Redacted.value(requestKey(token)).key,
    isKnown: (origin) => SignerDirectory.hasKeys(directory, origin)
  })
  const isHealthy = SignerDirectory.isWritable(directory)
  const server = yield* makeSignerServer({ service, token, isHealthy, ...tls })
  // What is under way ends before the directory's lock is given back.
  const url = yield* Effect.acquireRelease(
    attempt(() => listen(server, address, scheme)),
    () =>
      Effect.promise(() =>
        new Promise<void>((done) => {
          server.close(() => done())
          server.closeIdleConnections()
        })
      )
  )
  const tokenFile = join(directory, signerTokenFile)
  yield* Console.log(
    request.json ? JSON.stringify({ listening: url, tokenFile }) : `token in ${tokenFile}\nlistening ${url}`
  )
  return yield* Effect.never
})

/** The command. */
export const command = Command.make("signer", {
  data: Flag.String("data").pipe(
    Flag.withDescription("Where its keys, its state and its token lie; one process at a time"),
    Flag.withDefault("rainlogs-signer")
  ),
  listen: Flag.String("listen").pipe(
    Flag.withDescription("unix:/path/of/socket, or host:port; port 0 chooses a free one"),
    Flag.withDefault("127.0.0.1:8091")
  ),
  certificate: Flag.String("certificate").pipe(Flag.withDescription("PEM file, for HTTPS"), Flag.optional),
  key: Flag.String("key").pipe(Flag.withDescription("PEM file of the certificate's key"), Flag.optional),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Say where it listens as one line of JSON"),
    Flag.withDefault(false)
  )
}, (request) => Effect.scoped(run(request)).pipe(Effect.provide(Logging.layer("Info")))).pipe(
  Command.withDescription("Hold the log keys in a process of their own and sign only checkpoints that grow"),
  Command.withExamples([
    {
      command: "rainlogs signer --data /var/lib/rainlogs-signer --listen unix:/run/rainlogs-signer/signer.sock",
      description: "Beside the archive, under another user"
    },
    {
      command: "rainlogs signer --data /srv/signer --listen 10.0.0.5:8091 --certificate tls.crt --key tls.key",
      description: "On another machine"
    }
  ])
)
