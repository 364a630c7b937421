/**
 * The signer that the configuration names: the process at `RAINLOGS_SIGNER_URL`, or else the one in the data directory.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type { Signer, SignerUnavailable } from "@rainlogs/core/ledger/Signer"
import * as SignerLocal from "@rainlogs/core/ledger/SignerLocal"
import * as SignerRemote from "@rainlogs/core/ledger/SignerRemote"
import { isLoopback } from "@rainlogs/core/signer/ListenAddress"
import { parseSignerToken } from "@rainlogs/core/signer/SignerToken"
import { Config, Effect, Layer, Option, Redacted, Schema } from "effect"
import { readdir } from "node:fs/promises"
import { DataDirectory, readKept } from "./DataDirectory.ts"

/** The signer process cannot be used as it is configured; the message says what to do. */
export class SignerMisconfigured
  extends Schema.TaggedError<SignerMisconfigured>()("SignerMisconfigured", { detail: Schema.String })
{
  override get message(): string {
    return this.detail
  }
}

const misconfigured = (detail: string) => new SignerMisconfigured({ detail })

/** Where a request goes: its base URL, and the socket it goes through, if it is one. */
export const signerTarget = (text: string): { readonly url: string; readonly socketPath?: string } => {
  if (text.startsWith("unix:/")) return { url: "http://localhost", socketPath: text.slice("unix:".length) }
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !["http:", "https:"].includes(url.protocol) || url.username !== "" || url.search !== "") {
    throw new Error("RAINLOGS_SIGNER_URL is unix:/path/of/socket or an https URL without credentials and query")
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname.replace(/^\[|\]$/g, ""))) {
    throw new Error("RAINLOGS_SIGNER_URL: over plain http the token would cross the network readable; use https")
  }
  return { url: url.href }
}

const readToken = Effect.gen(function*() {
  const given = yield* Config.option(Config.Redacted("RAINLOGS_SIGNER_TOKEN"))
  const file = yield* Config.option(Config.String("RAINLOGS_SIGNER_TOKEN_FILE"))
  if (Option.isSome(given)) return { text: Redacted.value(given.value), source: "RAINLOGS_SIGNER_TOKEN" }
  if (Option.isNone(file)) {
    const detail = "RAINLOGS_SIGNER_URL needs RAINLOGS_SIGNER_TOKEN or RAINLOGS_SIGNER_TOKEN_FILE: " +
      "the text of request.token in the signer's directory"
    return yield* misconfigured(detail)
  }
  const text = yield* readKept(file.value)
  if (text === undefined) return yield* misconfigured(`RAINLOGS_SIGNER_TOKEN_FILE: there is no file ${file.value}`)
  return { text, source: file.value }
})

// Keys in two places are two signers with two memories: together they could sign two histories.
const refuseKeysLeft = Effect.fnUntraced(function*(directory: string) {
  const names = yield* Effect.tryPromise({
    try: () => readdir(directory),
    catch: (error) => misconfigured(String(error))
  })
  if (names.some((name) => name.endsWith(".keys"))) {
    const detail =
      `RAINLOGS_SIGNER_URL is set but ${directory} still holds keys. Stop both, move the whole directory ` +
      "to the signer (its --data), and start the signer, then this"
    return yield* misconfigured(detail)
  }
})

const remote = Effect.fnUntraced(function*(name: string, directory: string) {
  yield* refuseKeysLeft(directory)
  const { source, text } = yield* readToken
  const { options, token } = yield* Effect.try({
    try: () => ({ options: signerTarget(name), token: parseSignerToken(text, source) }),
    catch: (error) => misconfigured(error instanceof Error ? error.message : String(error))
  })
  const { socketPath, url } = options
  // `net` takes the path from the agent's options, which the types do not tell.
  const agent = socketPath === undefined ? { keepAlive: true } : { keepAlive: true, socketPath }
  return SignerRemote.layer({ url, name, token }).pipe(
    // Fresh, for the layer inside is shared by reference: else Cloudflare's client would get this one's agent and socket.
    Layer.provide(
      Layer.fresh(NodeHttpClient.layerNodeHttpOptions({ ...agent, maxSockets: 16, rejectUnauthorized: true }))
    )
  )
})

/** The signer; fails at start for what no waiting can mend, never because a signer process is away. */
export const layer = Layer.unwrap(Effect.gen(function*() {
  const { signer: directory } = yield* DataDirectory
  const url = yield* Config.option(Config.String("RAINLOGS_SIGNER_URL"))
  const chosen: Layer.Layer<Signer, SignerUnavailable> = Option.isSome(url)
    ? yield* remote(url.value, directory)
    : SignerLocal.layer({ directory })
  return chosen
}))
