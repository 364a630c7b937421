/**
 * `rainlogs keys show`: the public keys of the ledgers, the one in force and those before.
 */
import { type ChainedKeys, KeyHistory, keyId } from "@rainlogs/core/ledger/KeyHistory"
import { Console, Effect, Layer } from "effect"
import { Command } from "effect/cli"
import * as Appliance from "../../Appliance.ts"
import { DataDirectory } from "../../DataDirectory.ts"
import * as Logging from "../../Logging.ts"
import { customer, data, dataDirectory, json, ledgersOf } from "./Customers.ts"
import { keysJson } from "./KeysJson.ts"

const lines = (keys: ReadonlyArray<ChainedKeys>): ReadonlyArray<string> => {
  const revoked = new Map(keys.at(-1)?.revoked.map((revocation) => [revocation.id, revocation]))
  return keys.toReversed().map(({ fromSize, log, seq, time, version }, index) => {
    const revocation = revoked.get(Number.parseInt(keyId(log), 16))
    const state = revocation !== undefined
      ? `revoked since ${new Date(revocation.since).toISOString()} (${revocation.reason})`
      : index === 0
      ? "in force"
      : "before"
    return `  ${version}  ${keyId(log)}  ${state}; control entry ${seq}, tree sizes from ${fromSize}, ` +
      `${new Date(time).toISOString()}\n     ${log}`
  })
}

/** `rainlogs keys show` */
export const show = Command.make("show", { customer, data, json }, (request) =>
  Effect.gen(function*() {
    const root = yield* dataDirectory(request.data)
    yield* Effect.gen(function*() {
      const shown: Array<unknown> = []
      for (const ledger of yield* ledgersOf(request.customer)) {
        const keys = yield* KeyHistory.use((history) => history.of(ledger))
        if (request.json) {
          shown.push({
            customer: ledger.customer,
            origin: ledger.origin,
            keys: keys.map((version) => keysJson(ledger.origin, version))
          })
        } else yield* Console.log([`${ledger.customer}  ${ledger.origin}`, ...lines(keys)].join("\n"))
      }
      if (request.json) yield* Console.log(JSON.stringify(shown))
    }).pipe(
      Effect.provide(
        KeyHistory.layer.pipe(
          Layer.provideMerge(Appliance.records),
          Layer.provide(Layer.provideMerge(DataDirectory.layer(root), Logging.layer("Warn")))
        )
      )
    )
  }).pipe(Effect.scoped)).pipe(
    Command.withDescription(
      "Show the public keys of every ledger: the one in force, those before, and which are revoked. With DATABASE_URL the " +
        "appliance may be running. Exit codes: 0 shown, 1 not"
    ),
    Command.withExamples([
      { command: "rainlogs keys show --data /var/lib/rainlogs", description: "All customers" },
      {
        command: "rainlogs keys show --json | jq -r '.[].keys[-1].log'",
        description: "The keys in force, for whoever verifies"
      }
    ])
  )
