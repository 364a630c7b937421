/**
 * `rainlogs config`
 */
import { Console, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { current, refuseUnknown, settings } from "../Settings.ts"

/** The command. */
export const command = Command.make("config", {
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))
}, ({ json }) =>
  Effect.gen(function*() {
    yield* refuseUnknown
    const rows = settings.map((setting) => ({ ...setting, ...current(setting) }))
    if (json) return yield* Console.log(JSON.stringify(rows, null, 2))
    for (const { about, name, origin, unit, value } of rows) {
      yield* Console.log(`${name}=${value}${unit === "" ? "" : ` ${unit}`}   (${origin})\n    ${about}`)
    }
  })).pipe(
    Command.withDescription(
      "Show every setting, its value and where it comes from; an unknown RAINLOGS_* variable is an error"
    )
  )
