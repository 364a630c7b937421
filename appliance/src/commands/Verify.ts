/**
 * `rainlogs verify`: listed here for help and completions; its arguments are those of `rainlogs-verify`, which reads
 * them itself (see `main.ts`).
 */
import { Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"

/** The command, as help shows it. */
export const command = Command.make("verify", {
  archive: Argument.String("archive").pipe(
    Argument.withDescription("A directory that holds logs and integrity, a bundle, or the URL of a live ledger")
  ),
  key: Flag.String("key").pipe(Flag.withDescription("The log's verifier key, from somewhere else than the archive")),
  only: Flag.String("only").pipe(
    Flag.withDescription("Questions the exit code speaks of: integrity, completeness, anchoring, erasures"),
    Flag.optional
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print the report as JSON"), Flag.withDefault(false))
}, () => Effect.void).pipe(
  Command.withDescription("Verify an archive, a bundle or a live ledger with nothing but public keys"),
  Command.withExamples([
    {
      command: "rainlogs verify ./archive --key \"$VKEY\" --only integrity,completeness",
      description: "Exit 0 if proven"
    },
    {
      command: "rainlogs verify https://archive.example.eu/ledger/6f1c1e0e-… --key \"$VKEY\"",
      description: "A live ledger, without its objects"
    }
  ])
)
