/**
 * `rainlogs keys`: the life of the keys, from the recovery sheet to revocation.
 */
import { Command } from "effect/cli"
import { revoke, rotate } from "./keys/Change.ts"
import { restore } from "./keys/Restore.ts"
import { sheet } from "./keys/Sheet.ts"
import { show } from "./keys/Show.ts"

/** The command. */
export const command = Command.make("keys").pipe(
  Command.withDescription("Show, rotate and revoke signing keys; write the recovery sheet and restore from it"),
  Command.withSubcommands([show, rotate, revoke, sheet, restore])
)
