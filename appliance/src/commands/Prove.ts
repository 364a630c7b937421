/**
 * `rainlogs prove`: makes a proof of one log line, which shows nobody any other line.
 */
import { LineNotProvable, LineProofs } from "@rainlogs/core/archive/LineProofs"
import { Opener } from "@rainlogs/core/archive/Opener"
import * as KmsLocal from "@rainlogs/core/secrets/KmsLocal"
import * as ObjectStoreFileSystem from "@rainlogs/core/storage/ObjectStoreFileSystem"
import { parseMoment } from "@rainlogs/verify/commands/CommandLine"
import { ledgerPrefix } from "@rainlogs/verify/Layout"
import { ledgerOfZone } from "@rainlogs/verify/LedgersOf"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { Console, Effect, Layer, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { existsSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import * as Progress from "../Progress.ts"

interface Request {
  readonly data: string
  readonly zone: string
  readonly ray: string
  readonly from: Option.Option<string>
  readonly to: Option.Option<string>
  readonly out: string
  readonly json: boolean
}

const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, LineNotProvable> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => new LineNotProvable({ detail: cause instanceof Error ? cause.message : String(cause) })
  })

const make = Effect.fn("prove")(function*({ data, from, json, out, ray, to, zone }: Request) {
  const root = resolve(data)
  const archive = join(root, "archive")
  const masterKey = join(root, "secrets", "master.key")
  const window = yield* attempt(async () => ({
    from: Option.match(from, { onNone: () => 0, onSome: (text) => parseMoment("--from", text) }),
    to: Option.match(to, { onNone: () => Number.MAX_SAFE_INTEGER, onSome: (text) => parseMoment("--to", text) })
  }))
  const reader = yield* attempt(() => openDirectory(archive))
  if (process.env.RAINLOGS_MASTER_KEY === undefined && !existsSync(masterKey)) {
    return yield* new LineNotProvable({ detail: `${masterKey} is missing: without the master key no line can be read` })
  }
  const ledger = yield* attempt(() => ledgerOfZone(reader, ledgerPrefix, zone))
  if (ledger === null) {
    return yield* new LineNotProvable({ detail: `no published ledger in ${archive} has entries of zone ${zone}` })
  }
  const progress = yield* Progress.make
  const services = LineProofs.layer(reader).pipe(
    Layer.provide(Opener.layer()),
    Layer.provide(Layer.merge(ObjectStoreFileSystem.layer(archive), KmsLocal.layer({ file: masterKey })))
  )
  const { found, proof } = yield* Effect.gen(function*() {
    const proofs = yield* LineProofs
    const onObject = (done: number, total: number) =>
      progress.show(`${Progress.bar(done / Math.max(1, total))} ${done}/${total} objects searched`)
    const found = yield* proofs.find({ ledger, chain: zone, ...window, onObject }, ray)
    if (Option.isNone(found)) {
      const detail = `no archived line of zone ${zone} has the RayID ${ray} in these windows; widen --from and --to`
      return yield* new LineNotProvable({ detail })
    }
    return { found: found.value, proof: yield* proofs.prove(ledger, found.value) }
  }).pipe(Effect.provide(services))
  progress.clear()
  const [proofFile, lineFile] = [`${out}.line-proof`, `${out}.json`]
  yield* attempt(() => writeFile(proofFile, proof, { mode: 0o600 }))
  yield* attempt(() => writeFile(lineFile, Buffer.concat([found.bytes, Buffer.from("\n")]), { mode: 0o600 }))
  if (json) {
    const { chain, job, seq } = found.entry
    return yield* Console.log(JSON.stringify({ proof: proofFile, line: lineFile, chain, seq, job, number: found.line }))
  }
  yield* Console.log(
    `${proofFile} (${proof.length} bytes) proves ${lineFile}, line ${found.line} of ${found.entry.records}.\n` +
      `Hand both over; whoever has the key checks them with: rainlogs verify line ${proofFile} ${lineFile} --key VKEY`
  )
})

/** The command. */
export const command = Command.make("prove", {
  data: Flag.String("data").pipe(Flag.withDescription("Data directory"), Flag.withDefault("rainlogs-data")),
  zone: Flag.String("zone").pipe(Flag.withDescription("Id of the zone (a UUID)")),
  ray: Flag.String("ray").pipe(Flag.withDescription("RayID of the line")),
  from: Flag.String("from").pipe(Flag.withDescription("Look in windows from here on"), Flag.optional),
  to: Flag.String("to").pipe(Flag.withDescription("Look in windows before"), Flag.optional),
  out: Flag.String("out").pipe(
    Flag.withDescription("Name of the two files, without their endings"),
    Flag.withDefault("line")
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print the result as JSON"), Flag.withDefault(false))
}, (request) => Effect.scoped(make(request))).pipe(
  Command.withDescription("Prove one log line to somebody who gets no other: the line and a proof of at most 4 kB"),
  Command.withExamples([
    { command: "rainlogs prove --zone ID --ray 8f2a… --from 2026-01-31 --to 2026-02-01", description: "Search one day" }
  ])
)
