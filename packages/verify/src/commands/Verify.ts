/**
 * `rainlogs-verify ARCHIVE`: the four verdicts over one ledger.
 */
import { parseArgs } from "node:util"
import { malformedBundle } from "../bundle/VerifyBundle.ts"
import { MalformedBundleError } from "../bundle/ZipFormat.ts"
import { genesisKey } from "../GenesisKey.ts"
import { verify as verifySignature } from "../node/NativeEd25519.ts"
import { sha256 } from "../node/NativeSha256.ts"
import { exitCode, type Question, questions, type Report } from "../Report.ts"
import { printReport } from "../ReportText.ts"
import { verifyArchive, type VerifyOptions } from "../VerifyArchive.ts"
import { type CommandOutput, type ExitCode, progressLine, UsageError } from "./CommandLine.ts"
import { type OpenedArchive, withArchive } from "./OpenArchive.ts"
import { readTrust, trustOptions } from "./Trust.ts"
import { downloadText, progressText } from "./VerifyProgressText.ts"

const parseOnly = (text: string | undefined): ReadonlyArray<Question> => {
  if (text === undefined) return questions
  return text.split(",").map((word) => {
    const question = questions.find((candidate) => candidate === word.trim())
    if (question === undefined) throw new UsageError(`--only "${word}": choose from ${questions.join(", ")}`)
    return question
  })
}

const parse = (argv: ReadonlyArray<string>) => {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        ...trustOptions,
        only: { type: "string" },
        json: { type: "boolean", default: false },
        "trust-on-first-use": { type: "boolean", default: false }
      }
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

// The archive's own key, when nothing better is there: what it vouches for itself can never be more than consistent.
const firstUse = async (opened: OpenedArchive, trust: VerifyOptions): Promise<VerifyOptions> => {
  const found = await genesisKey(opened.reader)
  if (found.length !== 1 || found[0] === undefined) {
    throw new UsageError(`--trust-on-first-use: the archive holds ${found.length} ledgers; pass --key to choose one`)
  }
  return { ...trust, keys: [found[0], ...trust.keys], trustOnFirstUse: true }
}

/** Runs the command. */
export const verifyCommand = async (argv: ReadonlyArray<string>, output: CommandOutput): Promise<ExitCode> => {
  const { positionals, values } = parse(argv)
  const [target, ...more] = positionals
  if (target === undefined || target === "") throw new UsageError("name the archive directory, bundle or URL to verify")
  if (more.length > 0) throw new UsageError(`one archive at a time, not also ${more.join(" ")}`)
  const only = parseOnly(values.only)
  let trust = await readTrust(values)
  if (trust.keys.length === 0 && !values["trust-on-first-use"]) {
    throw new UsageError("pass --key with the log's verifier key; the archive cannot vouch for itself")
  }
  const progress = progressLine(output)
  const began = performance.now()
  let about: string | null = null
  const run = withArchive(target, async (opened): Promise<Report> => {
    about = opened.about
    if (trust.keys.every(({ type }) => type !== 1) && values["trust-on-first-use"]) {
      trust = await firstUse(opened, trust)
    }
    const verified = await verifyArchive(opened.reader, {
      ...trust,
      ...opened.options,
      onProgress: (state) => progress.show(() => progressText(state, performance.now() - began)),
      sha256,
      verifySignature
    })
    await opened.finish()
    return verified
  }, (state) => progress.show(() => downloadText(state, performance.now() - began)))
  const report = await run.catch((error: unknown) => {
    if (!(error instanceof MalformedBundleError)) throw error
    return malformedBundle(trust.keys, error)
  }).finally(() => progress.clear())
  const code = exitCode(report, only)
  const json = () => `${JSON.stringify({ ...report, asked: only, exitCode: code }, null, 2)}\n`
  const said = about === null ? "" : `${String(about)}\n`
  output.stdout.write(values.json ? json() : `${said}${printReport(report, only)}`)
  return code
}
