/**
 * `rainlogs bundle`: makes an evidence bundle from the archive of a data directory, whether the appliance runs or not.
 */
import type { BundleFailure } from "@rainlogs/core/bundle/BundleFailure"
import { makeBundle } from "@rainlogs/core/bundle/MakeBundle"
import { Kms } from "@rainlogs/core/secrets/Kms"
import * as KmsLocal from "@rainlogs/core/secrets/KmsLocal"
import { parseMoment } from "@rainlogs/verify/commands/CommandLine"
import { ledgerPrefix } from "@rainlogs/verify/Layout"
import { ledgerOfZone } from "@rainlogs/verify/LedgersOf"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { Console, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { createReadStream, existsSync } from "node:fs"
import { join, resolve } from "node:path"
import * as Progress from "../Progress.ts"

/** The bundle could not be made; the message says why and what to do. */
export class BundleFailed extends Schema.TaggedError<BundleFailed>()("BundleFailed", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

const attempt = <A>(run: () => A | Promise<A>): Effect.Effect<A, BundleFailed> =>
  Effect.tryPromise({
    try: async () => run(),
    catch: (cause) => new BundleFailed({ detail: cause instanceof Error ? cause.message : String(cause) })
  })

// The command's caller is the operator: what the system said is part of the answer.
const explain = ({ cause, message }: BundleFailure, out: string): string =>
  cause instanceof Error && !message.includes(cause.message)
    ? `${out}: ${message} (${cause.message})`
    : `${out}: ${message}`

interface Request {
  readonly data: string
  readonly zone: string
  readonly from: string
  readonly to: string
  readonly disclose: boolean
  readonly out: string
  readonly json: boolean
}

// A data directory that is not there must not come into being by asking for a bundle of it, nor a master key.
const openKms = Effect.fnUntraced(function*(data: string) {
  const file = join(data, "secrets", "master.key")
  if (process.env.RAINLOGS_MASTER_KEY === undefined && !existsSync(file)) {
    return yield* new BundleFailed({ detail: `${file} is missing: without the master key nothing can be disclosed` })
  }
  return yield* Kms.pipe(Effect.provide(KmsLocal.layer({ file })))
})

const make = Effect.fn("bundle")(function*({ data, disclose, from, json, out, to, zone }: Request) {
  const archive = join(resolve(data), "archive")
  const window = yield* attempt(() => ({ from: parseMoment("--from", from), to: parseMoment("--to", to) }))
  if (window.from >= window.to) return yield* new BundleFailed({ detail: "--from must lie before --to" })
  const reader = yield* attempt(() => openDirectory(archive))
  const ledger = yield* attempt(() => ledgerOfZone(reader, ledgerPrefix, zone))
  if (ledger === null) {
    const detail = `no published ledger in ${archive} has entries of zone ${zone}; ` +
      "\"GET /api/v1/zones\" lists the zones and their ids"
    return yield* new BundleFailed({ detail })
  }
  const kms = disclose ? Option.some(yield* openKms(resolve(data))) : Option.none()
  const progress = yield* Progress.make
  const found = { objects: 0 }
  const summary = yield* makeBundle({
    origin: ledger.origin,
    chain: zone,
    ...window,
    // A listed key lies inside the directory.
    source: { ...reader, stream: (key) => createReadStream(join(archive, key)) },
    disclose: kms,
    out,
    // Two commands that write the same file do not write into each other's.
    temporary: `${out}.${process.pid}.part`,
    reservedBytes: 0,
    mostObjects: Number.POSITIVE_INFINITY,
    onProgress: ({ bytes, entries, objects }) => {
      found.objects = objects
      progress.show(`reading: ${entries} entries, ${objects} objects, ${Progress.bytes(bytes)}`)
    },
    onWritten: (bytes) => progress.show(`writing: ${found.objects} objects, ${Progress.bytes(bytes)}`)
  }).pipe(
    Effect.onError(() => Effect.sync(progress.clear)),
    Effect.mapError((failure) => new BundleFailed({ detail: explain(failure, out) }))
  )
  progress.clear()
  if (json) return yield* Console.log(JSON.stringify({ out, origin: ledger.origin, ...summary }))
  yield* Console.log(
    `${out}: ${summary.objects} objects, ${Progress.bytes(summary.bytes)}; ledger of ${summary.size} entries\n` +
      `Verify it with: rainlogs verify ${out} --key VKEY`
  )
})

/** The command. */
export const command = Command.make("bundle", {
  data: Flag.String("data").pipe(Flag.withDescription("Data directory"), Flag.withDefault("rainlogs-data")),
  zone: Flag.String("zone").pipe(Flag.withDescription("Id of the zone (a UUID)")),
  from: Flag.String("from").pipe(Flag.withDescription("First moment of the windows, ISO 8601 or Unix ms")),
  to: Flag.String("to").pipe(Flag.withDescription("End of the windows, exclusive")),
  disclose: Flag.Boolean("disclose").pipe(
    Flag.withDescription("Put the data keys of the objects into the bundle, so that their plaintext can be read"),
    Flag.withDefault(false)
  ),
  out: Flag.String("out").pipe(Flag.withDescription("File to write"), Flag.withDefault("evidence.zip")),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print the result as JSON"), Flag.withDefault(false))
}, (request) => Effect.scoped(make(request))).pipe(
  Command.withDescription("Make an evidence bundle (ZIP): the ledger and the objects of some windows of one zone"),
  Command.withExamples([
    {
      command: "rainlogs bundle --zone ID --from 2026-01-31 --to 2026-02-01 --out evidence.zip",
      description: "One day, encrypted as it is archived"
    },
    { command: "rainlogs bundle --zone ID --from … --to … --disclose", description: "With the keys to read it" }
  ])
)
