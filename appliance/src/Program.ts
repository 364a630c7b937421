/**
 * The `rainlogs` command: its tree and how a process runs it.
 */
import * as NodeRuntime from "@effect/platform-node-shared/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { main as verifyMain } from "@rainlogs/verify/cli"
import { Effect } from "effect"
import { Command } from "effect/cli"
import * as Approver from "./commands/Approver.ts"
import * as Bundle from "./commands/Bundle.ts"
import * as Config from "./commands/Config.ts"
import * as Coverage from "./commands/Coverage.ts"
import * as Demo from "./commands/Demo.ts"
import * as Erase from "./commands/Erase.ts"
import { reportErrors } from "./commands/ErrorReport.ts"
import * as Fsck from "./commands/Fsck.ts"
import * as Hold from "./commands/Hold.ts"
import * as Keys from "./commands/Keys.ts"
import * as Pipeline from "./commands/Pipeline.ts"
import * as Policy from "./commands/Policy.ts"
import * as Prove from "./commands/Prove.ts"
import * as Quota from "./commands/Quota.ts"
import * as Rebuild from "./commands/Rebuild.ts"
import * as RedTeam from "./commands/RedTeam.ts"
import * as Serve from "./commands/Serve.ts"
import * as Signer from "./commands/Signer.ts"
import * as Verify from "./commands/Verify.ts"
import * as Witness from "./commands/Witness.ts"
import { PostgresArchive } from "./PostgresArchive.ts"
import { version } from "./Version.ts"

const rainlogs = Command.make("rainlogs").pipe(
  Command.withDescription("A log archive that can prove itself"),
  Command.withSubcommands([
    Demo.command,
    Serve.command,
    Verify.command,
    Coverage.command,
    Bundle.command,
    Prove.command,
    Signer.command,
    Witness.command,
    Fsck.command,
    Rebuild.command,
    RedTeam.command,
    Approver.command,
    Policy.command,
    Hold.command,
    Erase.command,
    Quota.command,
    Pipeline.command,
    Keys.command,
    Config.command
  ])
)

/** Runs the command line of this process; `postgresArchive` is the embedded programs' archive, if there is one. */
export const start = async (postgresArchive: string | undefined): Promise<void> => {
  // The verifier reads its own arguments, so that `rainlogs verify` and `rainlogs-verify` are the same command.
  if (process.argv[2] === "verify") {
    process.exitCode = await verifyMain(process.argv.slice(3), process)
    return
  }
  rainlogs.pipe(
    Command.run({ version }),
    reportErrors,
    Effect.provide(NodeServices.layer),
    Effect.provideService(PostgresArchive, postgresArchive),
    NodeRuntime.runMain
  )
}
