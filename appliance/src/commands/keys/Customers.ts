/**
 * Whose keys a command is about: one customer's, or everybody's.
 */
import { type LedgerOf, LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import { Effect, Option, Schema } from "effect"
import { Flag } from "effect/cli"
import { existsSync } from "node:fs"
import { join, resolve } from "node:path"

/** The command cannot do what it was asked; the message says why and what to do. */
export class KeysCommandFailed extends Schema.TaggedError<KeysCommandFailed>()("KeysCommandFailed", {
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/** `--data`. */
export const data = Flag.String("data").pipe(
  Flag.withDescription("Data directory of a stopped appliance"),
  Flag.withDefault("rainlogs-data")
)

/** `--json`. */
export const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print the result as JSON"),
  Flag.withDefault(false)
)

/** `--customer`. */
export const customer = Flag.String("customer").pipe(Flag.withDescription("The customer's id"), Flag.optional)

/** `--all`. */
export const all = Flag.Boolean("all").pipe(Flag.withDescription("Every customer"), Flag.withDefault(false))

/** The absolute data directory; fails where there is no archive. */
export const dataDirectory = (path: string): Effect.Effect<string, KeysCommandFailed> => {
  const root = resolve(path)
  return existsSync(join(root, "archive"))
    ? Effect.succeed(root)
    : Effect.fail(
      new KeysCommandFailed({ detail: `${root} is no data directory of an appliance; name it with --data DIR` })
    )
}

/** The ledgers of one customer or, with none given, of all. */
export const ledgersOf = Effect.fn("keys.ledgers")(function*(id: Option.Option<string>) {
  const ledgers = yield* LedgerStore.use((store) => store.ledgers)
  if (Option.isNone(id)) return ledgers
  const found = ledgers.filter(({ customer }) => customer === id.value)
  return found.length > 0
    ? found
    : yield* new KeysCommandFailed({ detail: `there is no customer ${id.value}; "rainlogs keys show" lists them` })
})

/** The same for what changes something: one customer, or expressly all. */
export const ledgersToChange = Effect.fn("keys.toChange")(
  function*(id: Option.Option<string>, everybody: boolean) {
    if (Option.isSome(id) === everybody) {
      return yield* new KeysCommandFailed({ detail: "say whose keys: either --customer ID or --all" })
    }
    const ledgers: ReadonlyArray<LedgerOf> = yield* ledgersOf(id)
    return ledgers
  }
)
