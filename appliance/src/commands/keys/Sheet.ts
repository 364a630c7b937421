/**
 * `rainlogs keys sheet`: writes or prints the recovery sheet.
 */
import { KeyHistory } from "@rainlogs/core/ledger/KeyHistory"
import { Console, Effect, Layer, Option, Redacted } from "effect"
import { Command, Flag } from "effect/cli"
import * as Appliance from "../../Appliance.ts"
import { DataDirectory } from "../../DataDirectory.ts"
import * as Logging from "../../Logging.ts"
import { printSheet, type SheetCustomer } from "../../recovery/RecoverySheet.ts"
import { readSecrets, sheetContent, writeSheet } from "../../recovery/SheetFile.ts"
import { data, dataDirectory, ledgersOf } from "./Customers.ts"

/** `rainlogs keys sheet` */
export const sheet = Command.make("sheet", {
  data,
  show: Flag.Boolean("show").pipe(
    Flag.withDescription("Print the sheet, with its secrets, instead of writing the file"),
    Flag.withDefault(false)
  )
}, (request) =>
  Effect.gen(function*() {
    const root = yield* dataDirectory(request.data)
    const environment = Layer.provideMerge(DataDirectory.layer(root), Logging.layer("Warn"))
    yield* Effect.gen(function*() {
      // Before the database is started: without keys there is nothing to write.
      yield* readSecrets
      const customers = yield* Effect.gen(function*() {
        const found: Array<SheetCustomer> = []
        for (const ledger of yield* ledgersOf(Option.none())) {
          found.push({ customer: ledger.customer, keys: yield* KeyHistory.use((history) => history.of(ledger)) })
        }
        return found
      }).pipe(Effect.provide(KeyHistory.layer.pipe(Layer.provideMerge(Appliance.records))))
      if (request.show) {
        const ground = process.stdout.isTTY ? "terminal" : "paper"
        yield* Console.log(printSheet(Redacted.value(yield* sheetContent(customers)), ground))
      } else {
        const path = yield* writeSheet(customers)
        yield* Console.log(
          `${path} is written. Print it, keep it under lock away from the archive, then delete the file.`
        )
      }
    }).pipe(Effect.provide(environment))
  }).pipe(Effect.scoped)).pipe(
    Command.withDescription(
      "Write the recovery sheet (mode 0600): the code that lost keys are restored from, the public keys, the steps. " +
        "Exit codes: 0 written, 1 not"
    ),
    Command.withExamples([
      { command: "rainlogs keys sheet --data /var/lib/rainlogs", description: "Writes recovery-sheet.txt there" },
      {
        command: "rainlogs keys sheet --data /var/lib/rainlogs --show | lp",
        description: "To the printer, and nowhere else"
      }
    ])
  )
