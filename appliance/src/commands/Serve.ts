/**
 * `rainlogs serve`
 */
import { Effect, Layer } from "effect"
import { Command, Flag } from "effect/cli"
import * as Appliance from "../Appliance.ts"
import { DataDirectory } from "../DataDirectory.ts"
import * as Logging from "../Logging.ts"
import { refuseUnknown } from "../Settings.ts"

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
