/**
 * `rainlogs rebuild`: makes the database of a data directory again, from its archive.
 */
import { Rebuild, type Rebuilt } from "@rainlogs/core/recovery/Rebuild"
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
  readonly leaveOutUnauthorised: boolean
  readonly json: boolean
}

const text = (data: string, result: Rebuilt): string => {
  const { customers, entries, present, resumed, stuck, unauthorised, unknown, zones } = result
  return [
    `Rebuilt ${customers} customers, ${zones} zones, ${entries} entries; ${present} customers were there.`,
    ...unknown.map((origin) => `NOT rebuilt, the catalog does not know it: ${origin}`),
    ...unauthorised.map((violation) => `NOT ALLOWED: ${violation}`),
    ...resumed.map((id) => `The erasure ${id} had begun; the next start finishes it.`),
    ...stuck.map((why) => `PARTLY ERASED, and must not go on now: ${why}`),
    `Check it with: rainlogs fsck --data ${data}`
  ].join("\n")
}

const run = Effect.fn("rebuild")(function*({ data, json, leaveOutUnauthorised }: Request) {
  const path = resolve(data)
  const archive = join(path, "archive")
  if (!existsSync(archive)) {
    return yield* new RebuildImpossible({ detail: `${archive} is missing: restore the archive from its backup first` })
  }
  const reader = yield* Effect.tryPromise({
    try: () => openDirectory(archive),
    catch: (cause) => new RebuildImpossible({ detail: cause instanceof Error ? cause.message : String(cause) })
  })
  const result = yield* Effect.gen(function*() {
    const rebuild = yield* Rebuild
    const progress = yield* Progress.make
    const result = yield* rebuild.run({
      unauthorised: leaveOutUnauthorised ? "leave-out" : "refuse",
      onEntries: (done, total) => progress.show(`${Progress.bar(done / Math.max(1, total))} ${done}/${total} entries`)
    })
    progress.clear()
    return result
  }).pipe(
    Effect.provide(
      Rebuild.layer(reader).pipe(
        Layer.provide(Appliance.recovery),
        Layer.provide(Layer.provideMerge(DataDirectory.layer(path), Logging.layer("Warn")))
      )
    )
  )
  yield* Console.log(json ? JSON.stringify(result) : text(data, result))
})

/** The command. */
export const command = Command.make("rebuild", {
  data: Flag.String("data").pipe(
    Flag.withDescription("Data directory of a stopped appliance"),
    Flag.withDefault("rainlogs-data")
  ),
  leaveOutUnauthorised: Flag.Boolean("leave-out-unauthorised").pipe(
    Flag.withDescription(
      "Rebuild although the ledger holds a release or an erasure that nobody was allowed to write; it has no effect"
    ),
    Flag.withDefault(false)
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print the result as JSON"), Flag.withDefault(false))
}, (request) => Effect.scoped(run(request))).pipe(
  Command.withDescription(
    "Make a lost database again from the archive, its catalog and the secrets. Nothing is taken from a ledger that does not verify, or in which a hold was released, windows were erased or a policy was changed without those who may. " +
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
