/**
 * `rainlogs rebuild`: makes the database of a data directory again, from its archive.
 */
import * as Catalog from "@rainlogs/core/recovery/Catalog"
import { Rebuild } from "@rainlogs/core/recovery/Rebuild"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { Console, Effect, Layer, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { existsSync } from "node:fs"
import { join, resolve } from "node:path"
import * as Appliance from "../Appliance.ts"
import { DataDirectory } from "../DataDirectory.ts"
import * as Logging from "../Logging.ts"
import * as Progress from "../Progress.ts"

/** Something that a rebuild needs is not there; the message says what. */
export class RebuildImpossible extends Schema.TaggedError<RebuildImpossible>()("RebuildImpossible", {
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

interface Request {
  readonly data: string
  readonly json: boolean
}

// With a missing master key or signer new ones would be made, and nothing could be read or continued.
const needed = (path: string): string | undefined =>
  [
    join(path, "archive"),
    ...process.env.RAINLOGS_SIGNER_URL === undefined ? [join(path, "signer")] : [],
    ...process.env.RAINLOGS_MASTER_KEY === undefined ? [join(path, "secrets", "master.key")] : []
  ].find((part) => !existsSync(part))

const run = Effect.fn("rebuild")(function*({ data, json }: Request) {
  const path = resolve(data)
  const missing = needed(path)
  if (missing !== undefined) {
    return yield* new RebuildImpossible({
      detail: `${missing} is missing: restore archive, signer and secrets from their backups first`
    })
  }
  const reader = yield* Effect.tryPromise({
    try: () => openDirectory(join(path, "archive")),
    catch: (cause) => new RebuildImpossible({ detail: cause instanceof Error ? cause.message : String(cause) })
  })
  const result = yield* Effect.gen(function*() {
    const rebuild = yield* Rebuild
    const progress = yield* Progress.make
    const result = yield* rebuild.run((done, total) =>
      progress.show(`${Progress.bar(done / Math.max(1, total))} ${done}/${total} entries`)
    )
    progress.clear()
    return result
  }).pipe(
    Effect.provide(
      Rebuild.layer(reader).pipe(
        Layer.provide(Catalog.Catalog.layer),
        Layer.provide(Appliance.foundations),
        Layer.provide(Layer.provideMerge(DataDirectory.layer(path), Logging.layer("Warn")))
      )
    )
  )
  const { customers, entries, present, unknown, zones } = result
  yield* Console.log(
    json
      ? JSON.stringify(result)
      : `Rebuilt ${customers} customers, ${zones} zones, ${entries} entries; ${present} customers were there.\n` +
        unknown.map((origin) => `NOT rebuilt, the catalog does not know it: ${origin}\n`).join("") +
        `Check it with: rainlogs fsck --data ${data}`
  )
})

/** The command. */
export const command = Command.make("rebuild", {
  data: Flag.String("data").pipe(
    Flag.withDescription("Data directory of a stopped appliance"),
    Flag.withDefault("rainlogs-data")
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print the result as JSON"), Flag.withDefault(false))
}, (request) => Effect.scoped(run(request))).pipe(
  Command.withDescription(
    "Make a lost database again from the archive, its catalog and the secrets. Nothing is taken from a ledger that does not verify. " +
      "Exit codes: 0 rebuilt, 1 refused, and nothing of the customer it was refused for is written"
  ),
  Command.withExamples([
    {
      command: "rainlogs rebuild --data /var/lib/rainlogs",
      description: "With the postgres folder gone; or with DATABASE_URL of an empty database"
    },
    {
      command: "rainlogs rebuild --data /var/lib/rainlogs --json",
      description: "What was rebuilt, as one line of JSON"
    }
  ])
)
