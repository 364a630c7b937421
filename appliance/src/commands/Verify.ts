/**
 * `rainlogs verify`: listed here for help and completions; its arguments are those of `rainlogs-verify`, which reads
 * them itself (see `main.ts`).
 */
import { Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"

/** The command, as help shows it. */
export const command = Command.make("verify", {
  directory: Argument.String("directory").pipe(Argument.withDescription("The archive: it holds logs and integrity")),
  key: Flag.String("key").pipe(Flag.withDescription("The log's verifier key, from somewhere else than the archive")),
  only: Flag.String("only").pipe(
    Flag.withDescription("Questions the exit code speaks of: integrity, completeness, anchoring, erasures"),
    Flag.optional
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print the report as JSON"), Flag.withDefault(false))
}, () => Effect.void).pipe(
  Command.withDescription("Verify an archive directory offline, with nothing but its public key"),
  Command.withExamples([
    {
      command: "rainlogs verify ./archive --key \"$VKEY\" --only integrity,completeness",
      description: "Exit 0 if proven"
    }
  ])
)
