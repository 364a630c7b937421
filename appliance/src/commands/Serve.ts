/**
 * `rainlogs serve`
 */
import { Effect, Layer } from "effect"
import { Command, Flag } from "effect/cli"
import * as Appliance from "../Appliance.ts"
import { DataDirectory } from "../DataDirectory.ts"
import * as Logging from "../Logging.ts"
import { writeFirstSheet } from "../recovery/SheetFile.ts"
import { refuseUnknown } from "../Settings.ts"

// The notice is about the sheet; what is on it is in the file alone.
const announceSheet = Effect.gen(function*() {
  const sheet = yield* writeFirstSheet
  switch (sheet.outcome) {
    case "known":
      return
    case "written":
      return yield* Effect.logInfo(
        `The recovery sheet is at ${sheet.path}. Print it, keep it under lock away from the archive, then delete the ` +
          "file: without it, losing this disk is losing the keys."
      )
    case "other":
      return yield* Effect.logError(
        `The keys of this data directory (${sheet.now}) are not those of the recovery sheet that was made (${sheet.made}). ` +
          "If they were lost, stop and run rainlogs keys restore; if you changed them, run rainlogs keys sheet."
      )
  }
}).pipe(
  // An appliance without its sheet still archives.
  Effect.catch((error) =>
    Effect.logError(`The recovery sheet could not be written: ${"detail" in error ? error.detail : error.message}`)
  )
)

/** The command. */
export const command = Command.make("serve", {
  data: Flag.String("data").pipe(
    Flag.withDescription("Data directory"),
    Flag.withDefault("rainlogs-data")
  ),
  host: Flag.String("host").pipe(Flag.withDescription("Address of the API"), Flag.withDefault("127.0.0.1")),
  port: Flag.Int("port").pipe(Flag.withDescription("Port of the API; 0 chooses a free one"), Flag.withDefault(8080)),
  concurrency: Flag.Int("concurrency").pipe(
    Flag.withDescription("Windows archived at once"),
    Flag.withDefault(2)
  )
}, ({ concurrency, data, host, port }) =>
  Effect.gen(function*() {
    const { url } = yield* Appliance.ApiAddress
    const { root } = yield* DataDirectory
    yield* announceSheet
    yield* Effect.logInfo(`Rainlogs answers at ${url}; data in ${root}`)
    return yield* Effect.never
  }).pipe(
    Effect.provide(
      Appliance.layer({ host, port, concurrency }).pipe(
        Layer.provideMerge(DataDirectory.layer(data)),
        Layer.provide(Layer.effectDiscard(refuseUnknown)),
        Layer.provideMerge(Logging.layer("Info"))
      )
    )
  )).pipe(
    Command.withDescription("Run the appliance: database, worker and API, until it is stopped"),
    Command.withExamples([
      { command: "rainlogs serve --data /var/lib/rainlogs", description: "With its own PostgreSQL" },
      { command: "DATABASE_URL=postgres://… rainlogs serve --data /var/lib/rainlogs", description: "With yours" }
    ])
  )
