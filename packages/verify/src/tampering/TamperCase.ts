/**
 * One case of the tamper catalogue: what somebody does to an archive, and what the verifier must say to it.
 */
import { exitCode, type Finding } from "../Report.ts"
import { verifyArchive, type VerifyOptions } from "../VerifyArchive.ts"
import type { ArchiveBuilder } from "./ArchiveBuilder.ts"
import { type ArchiveFiles, memoryReader } from "./MemoryReader.ts"

/** What came out of one attempt: the codes of all findings, and the exit code over all four questions. */
export interface Outcome {
  readonly codes: ReadonlySet<string>
  readonly exit: 0 | 1 | 2 | 3
  /** The findings themselves, where there is a report. */
  readonly findings?: ReadonlyArray<Finding>
}

/** One attempt at a case; `name` tells several attempts of one case apart. */
export interface Attempt {
  readonly name: string
  readonly run: () => Promise<Outcome>
}

/** What a case works on. */
export interface Evidence {
  /** A copy of the valid archive, to be changed. */
  readonly copy: () => ArchiveBuilder
  /** What the valid archive is verified with. */
  readonly trust: VerifyOptions
}

/** Who can do it: anybody who can write to the storage, or an insider who also holds the log's keys. */
export type Attacker = "storage" | "insider"

/** A case of the catalogue. */
export interface TamperCase {
  readonly id: string
  readonly attacker: Attacker
  /** What is done, for a person. */
  readonly mutation: string
  /** Codes of which at least one must be found; none for a case that must pass. */
  readonly expect: ReadonlyArray<string>
  readonly exit: 0 | 1 | 2 | 3
  readonly attempts: (evidence: Evidence) => ReadonlyArray<Attempt> | Promise<ReadonlyArray<Attempt>>
}

/** Verifies files in memory, with the given options over those the valid archive passes with. */
export const judge = async (files: ArchiveFiles, options: VerifyOptions): Promise<Outcome> => {
  const report = await verifyArchive(memoryReader(files), options)
  const { findings } = report
  return { codes: new Set(findings.map(({ code }) => code)), exit: exitCode(report), findings }
}

/** An attempt on the files of an archive, which `change` changes in place. */
export const onFiles = (
  evidence: Evidence,
  change: (builder: ArchiveBuilder) => ArchiveBuilder | void,
  name = "",
  options: Partial<VerifyOptions> = {}
): Attempt => ({
  name,
  run: () => {
    const builder = evidence.copy()
    return judge((change(builder) ?? builder).files, { ...evidence.trust, ...options })
  }
})

/** An attempt on something smaller than an archive: what a strict reader throws is malformed input. */
export const onReader = (name: string, code: string, read: () => unknown): Attempt => ({
  name,
  run: async () => {
    try {
      await read()
    } catch {
      return { codes: new Set([code]), exit: 3 }
    }
    return { codes: new Set(), exit: 0 }
  }
})

/** What an attempt should have given and did not, or null when it did. */
export const shortfall = ({ exit, expect }: TamperCase, outcome: Outcome): string | null => {
  const found = [...outcome.codes].sort().join(", ") || "nothing"
  if (expect.length > 0 && !expect.some((code) => outcome.codes.has(code))) {
    return `expected ${expect.join(" or ")}, found ${found}`
  }
  return outcome.exit === exit ? null : `expected exit ${exit}, got ${outcome.exit} (${found})`
}
