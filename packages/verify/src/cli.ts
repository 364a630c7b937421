/**
 * The `rainlogs-verify` command: verifies an archive directory with nothing but a public key. `main` is also a
 * subcommand of the appliance.
 */
import { parseArgs } from "node:util"
import { FileTooLargeError } from "./ArchiveReader.ts"
import { MalformedError } from "./Malformed.ts"
import { ArchiveNotFoundError, openDirectory, UnsafePathError } from "./node/DirectoryReader.ts"
import { verify as verifySignature } from "./node/NativeEd25519.ts"
import { sha256 } from "./node/NativeSha256.ts"
import { exitCode, type Question, questions } from "./Report.ts"
import { formatBytes, printReport } from "./ReportText.ts"
import { parseVerifierKey, type VerifierKey } from "./VerifierKey.ts"
import { VerifierKeyError, verifyArchive, type VerifyProgress } from "./VerifyArchive.ts"

/** Where the command writes; `process` is one. */
export interface CommandOutput {
  readonly stdout: { readonly write: (text: string) => unknown }
  readonly stderr: { readonly write: (text: string) => unknown; readonly isTTY?: boolean }
}

const help = `rainlogs-verify: verify a Rainlogs archive offline, with nothing but its public key

Usage: rainlogs-verify DIR --key VKEY [--json] [--only QUESTIONS]

  DIR               the archive: the directory that holds "logs" and "integrity"
  --key VKEY        the log's verifier key, <origin>+<id>+<base64>, obtained from somewhere else than the archive;
                    its name chooses the ledger. May be given again for the clock's key (type 4).
  --only QUESTIONS  comma-separated questions that the exit code speaks of:
                    integrity, completeness, anchoring, erasures (all four when left out)
  --json            print the whole report as one JSON object
  --help            print this text

Exit codes
  0  pass: every question asked was answered PASS
  1  tampering proven: a question was answered FAIL
  2  cannot conclude: INCONCLUSIVE, or the archive could not be read, or the command line is wrong
  3  malformed input: a file is not in the format at all

This version does not evaluate anchors and erasures: without --only the exit code is 2 at best.

Examples
  rainlogs-verify ./archive --key archive.example.eu/t/6f1c…+434cefcc+AeZSwY…
  rainlogs-verify ./archive --key "$VKEY" --only integrity,completeness && echo proven
  rainlogs-verify ./archive --key "$VKEY" --json | jq '.findings[] | select(.severity == "fail")'
`

/** The command line is wrong; the message says what to do. */
class UsageError extends Error {
  override readonly name = "UsageError"
}

interface Request {
  readonly directory: string
  readonly keys: ReadonlyArray<VerifierKey>
  readonly only: ReadonlyArray<Question>
  readonly json: boolean
}

const parseKey = (text: string): VerifierKey => {
  try {
    return parseVerifierKey(text)
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error
    throw new UsageError(`--key "${text}" is not a verifier key (${error.message}); copy it whole, in quotes`)
  }
}

const parseOnly = (text: string | undefined): ReadonlyArray<Question> => {
  if (text === undefined) return questions
  return text.split(",").map((word) => {
    const question = questions.find((candidate) => candidate === word.trim())
    if (question === undefined) throw new UsageError(`--only "${word}": choose from ${questions.join(", ")}`)
    return question
  })
}

const parseRequest = (argv: ReadonlyArray<string>): Request | "help" => {
  let parsed
  try {
    parsed = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        key: { type: "string", multiple: true },
        only: { type: "string" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false }
      }
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
  const { values, positionals } = parsed
  if (values.help) return "help"
  const [directory, ...more] = positionals
  if (directory === undefined || directory === "") throw new UsageError("name the archive directory to verify")
  if (more.length > 0) throw new UsageError(`one directory at a time, not also ${more.join(" ")}`)
  if (values.key === undefined) {
    throw new UsageError("pass --key with the log's verifier key; the archive cannot vouch for itself")
  }
  return { directory, keys: values.key.map(parseKey), only: parseOnly(values.only), json: values.json }
}

// One line on a terminal, rewritten at most five times a second.
const progressLine = (output: CommandOutput) => {
  if (output.stderr.isTTY !== true) return { show: () => {}, clear: () => {} }
  let shownAt = 0
  return {
    show: ({ entries, totalEntries, objects, objectBytes }: VerifyProgress) => {
      const now = performance.now()
      if (now - shownAt < 200) return
      shownAt = now
      const text = `verifying: ${entries} of ${totalEntries} entries, ${objects} objects, ${formatBytes(objectBytes)}`
      output.stderr.write(`\r\u001b[K${text}`)
    },
    clear: () => {
      output.stderr.write("\r\u001b[K")
    }
  }
}

const run = async (request: Request, output: CommandOutput): Promise<number> => {
  const reader = await openDirectory(request.directory)
  const progress = progressLine(output)
  const report = await verifyArchive(reader, { keys: request.keys, onProgress: progress.show, sha256, verifySignature })
    .finally(() => progress.clear())
  const code = exitCode(report, request.only)
  const json = () => `${JSON.stringify({ ...report, asked: request.only, exitCode: code }, null, 2)}\n`
  output.stdout.write(request.json ? json() : printReport(report, request.only))
  return code
}

const isMalformed = (error: unknown): boolean => error instanceof UnsafePathError || error instanceof FileTooLargeError

/**
 * Runs the command and answers its exit code (see `--help`). The report goes to stdout; errors and, on a terminal,
 * progress go to stderr.
 */
export const main = async (argv: ReadonlyArray<string>, output: CommandOutput): Promise<number> => {
  try {
    const request = parseRequest(argv)
    if (request !== "help") return await run(request, output)
    output.stdout.write(help)
    return 0
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const known = error instanceof UsageError || error instanceof VerifierKeyError
    output.stderr.write(`rainlogs-verify: ${message}\n`)
    if (known) output.stderr.write("See rainlogs-verify --help.\n")
    else if (!(isMalformed(error) || error instanceof ArchiveNotFoundError)) {
      output.stderr.write(
        "The archive could not be read to the end; nothing was concluded. Fix the cause and run again.\n"
      )
    }
    return isMalformed(error) ? 3 : 2
  }
}
