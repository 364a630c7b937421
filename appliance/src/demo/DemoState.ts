/**
 * What a demo remembers between runs on the same data directory: its customer, zone and keys (file mode 0600).
 */
import { CustomerId, ZoneId } from "@rainlogs/core/domain/Identifier"
import { Effect, Schema } from "effect"
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { DataDirectory, readKept, writeKept } from "../DataDirectory.ts"

/** The demo's identities. `cloudflareToken` is known to the simulator only. */
export const DemoState = Schema.Struct({
  customer: CustomerId,
  origin: Schema.String,
  vkey: Schema.String,
  apiKey: Schema.String,
  zone: Schema.NullOr(ZoneId),
  cloudflareToken: Schema.String,
  seed: Schema.String
})
export type DemoState = typeof DemoState.Type

const Json = Schema.fromJsonString(DemoState)

const fileOf = (directory: DataDirectory["Service"]) => join(directory.secrets, "demo.json")

/** The state of an earlier run, or undefined at the first. */
export const load = Effect.fn("DemoState.load")(function*() {
  const directory = yield* DataDirectory
  const text = yield* readKept(fileOf(directory))
  return text === undefined ? undefined : yield* Schema.decodeUnknownEffect(Json)(text)
})

/** Keeps the state for the next run. */
export const save = Effect.fn("DemoState.save")(function*(state: DemoState) {
  const directory = yield* DataDirectory
  yield* writeKept(fileOf(directory), `${yield* Schema.encodeEffect(Json)(state)}\n`)
})

/** A new token for the simulated account, in the shape of Cloudflare's (40 characters). */
export const newCloudflareToken = (): string => randomBytes(30).toString("base64url")
