/**
 * `rainlogs fsck`: compares database, archive and signer of a data directory that no appliance is using.
 */
import { Fsck } from "@rainlogs/core/ledger/Fsck"
import type { FsckReport } from "@rainlogs/core/ledger/fsck/FsckReport"
import { Console, Effect, Layer, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { existsSync } from "node:fs"
import { join, resolve } from "node:path"
import * as Appliance from "../Appliance.ts"
import { DataDirectory } from "../DataDirectory.ts"
import * as Logging from "../Logging.ts"
import * as Progress from "../Progress.ts"
import { CommandEnded } from "./CommandEnded.ts"

/** There is nothing to check; the message says what to do. */
export class NothingToCheck extends Schema.TaggedError<NothingToCheck>()("NothingToCheck", { path: Schema.String }) {
  override get message(): string {
    return `${this.path} is no data directory of an appliance; name it with --data DIR`
  }
}

const text = ({ counts, problems }: FsckReport): string => {
  const damage = problems.filter(({ severity }) => severity === "damage")
  const lines = [
    `${counts.ledgers} ledgers, ${counts.entries} entries, ${counts.tiles} tiles, ${counts.objects} objects, ` +
    `${counts.keys} key records, ${counts.documents} documents`,
    ...problems.flatMap(({ code, detail, key, origin, severity }) => [
      `  ${severity.toUpperCase()} ${code}${origin === null ? "" : ` ${origin}`}: ${detail}`,
      ...key === null ? [] : [`    ${key}`]
    ]),
    damage.length === 0
      ? `Clean${problems.length === 0 ? "" : `; ${problems.length} leftovers, which do no harm`}.`
      : `${damage.length} damages. Change nothing, make a copy of the data directory, and see the operations guide.`
  ]
  return lines.join("\n")
}

interface Request {
  readonly data: string
  readonly deep: boolean
  readonly json: boolean
}

const run = Effect.fn("fsck")(function*({ data, deep, json }: Request) {
  const path = resolve(data)
  if (!existsSync(join(path, "archive"))) return yield* new NothingToCheck({ path })
  const report = yield* Effect.gen(function*() {
    const fsck = yield* Fsck
    const progress = yield* Progress.make
    const report = yield* fsck.run({
      depth: deep ? "deep" : "sizes",
      onEntries: (entries) => progress.show(`checking: ${entries} entries`)
    })
    progress.clear()
    return report
  }).pipe(
    Effect.provide(
      Fsck.layer.pipe(
        Layer.provide(Appliance.foundations),
        Layer.provide(Layer.provideMerge(DataDirectory.layer(path), Logging.layer("Warn")))
      )
    )
  )
  yield* Console.log(json ? JSON.stringify(report, null, 2) : text(report))
  if (report.problems.some(({ severity }) => severity === "damage")) return yield* new CommandEnded({ exitCode: 1 })
})

/** The command. */
export const command = Command.make("fsck", {
  data: Flag.String("data").pipe(
    Flag.withDescription("Data directory of a stopped appliance"),
    Flag.withDefault("rainlogs-data")
  ),
  deep: Flag.Boolean("deep").pipe(Flag.withDescription("Read and hash every object, too"), Flag.withDefault(false)),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print the report as JSON"), Flag.withDefault(false))
}, (request) => Effect.scoped(run(request))).pipe(
  Command.withDescription(
    "Check that database, archive and signer agree: derive every tile again, look for every object, name the orphans. " +
      "Exit codes: 0 clean, 1 damage found or it could not be checked"
  ),
  Command.withExamples([
    { command: "rainlogs fsck --data /var/lib/rainlogs --deep", description: "With every object hashed" }
  ])
)
