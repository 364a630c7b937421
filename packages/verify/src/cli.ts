/**
 * The `rainlogs-verify` command: verifies archives and proofs with nothing but public keys. `main` is also a subcommand
 * of the appliance.
 */
import { FileTooLargeError } from "./ArchiveReader.ts"
import { MalformedBundleError } from "./bundle/ZipFormat.ts"
import { type CommandOutput, type ExitCode, UsageError } from "./commands/CommandLine.ts"
import { compareCommand } from "./commands/Compare.ts"
import { help } from "./commands/Help.ts"
import { lineCommand } from "./commands/Line.ts"
import { objectCommand, proofCommand } from "./commands/ObjectProof.ts"
import { verifyCommand } from "./commands/Verify.ts"
import { watchCommand } from "./commands/Watch.ts"
import { LedgerNotServedError, LedgerUrlError } from "./HttpReader.ts"
import { MalformedError } from "./Malformed.ts"
import { ArchiveNotFoundError, UnsafePathError } from "./node/DirectoryReader.ts"
import { VerifierKeyError } from "./VerifyArchive.ts"

export type { CommandOutput } from "./commands/CommandLine.ts"

type Command = (argv: ReadonlyArray<string>, output: CommandOutput) => Promise<ExitCode>

const commands: ReadonlyMap<string, Command> = new Map([
  ["compare", compareCommand],
  ["line", lineCommand],
  ["object", objectCommand],
  ["proof", proofCommand],
  ["watch", watchCommand]
])

const isMalformed = (error: unknown): boolean =>
  error instanceof UnsafePathError || error instanceof FileTooLargeError || error instanceof MalformedError ||
  error instanceof MalformedBundleError

const isNotThere = (error: unknown): boolean =>
  error instanceof ArchiveNotFoundError || error instanceof LedgerNotServedError

/**
 * Runs the command and answers its exit code (see `--help`). The report goes to stdout; errors and, on a terminal,
 * progress go to stderr.
 */
export const main = async (argv: ReadonlyArray<string>, output: CommandOutput): Promise<number> => {
  try {
    if (argv.includes("--help") || argv.includes("-h")) {
      output.stdout.write(help)
      return 0
    }
    const command = commands.get(argv[0] ?? "")
    return await (command === undefined ? verifyCommand(argv, output) : command(argv.slice(1), output))
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const known = error instanceof UsageError || error instanceof VerifierKeyError ||
      error instanceof LedgerUrlError
    output.stderr.write(`rainlogs-verify: ${message}\n`)
    if (known) output.stderr.write("See rainlogs-verify --help.\n")
    else if (!(isMalformed(error) || isNotThere(error))) {
      output.stderr.write(
        "The archive could not be read to the end; nothing was concluded. Fix the cause and run again.\n"
      )
    }
    return isMalformed(error) ? 3 : 2
  }
}
