/**
 * Verifies archives in memory and says what came out, for the tests of the verifier and its rooms.
 */
import { assert } from "vitest"
import { ledgerKey } from "../src/Layout.ts"
import { exitCode, type Finding, type Report } from "../src/Report.ts"
import { verifyArchive } from "../src/VerifyArchive.ts"
import { type ArchiveBuilder, log, origin } from "./ArchiveBuilder.ts"
import { type ArchiveFiles, memoryReader } from "./MemoryReader.ts"

/** Verifies an archive in memory with the log's key. */
export const verify = (files: ArchiveFiles): Promise<Report> => verifyArchive(memoryReader(files), { keys: [log.key] })
/** The two questions this version answers. */
export const both = ["integrity", "completeness"] as const
/** Findings that speak against INTEGRITY or COMPLETENESS. */
export const contested = (report: Report): ReadonlyArray<Finding> =>
  report.findings.filter(({ question, severity }) =>
    severity !== "notice" && (question === "integrity" || question === "completeness")
  )
/** Their codes, sorted, each once. */
export const codes = (report: Report): ReadonlyArray<string> =>
  [...new Set(contested(report).map(({ code }) => code))].sort()
/** The codes of the notices, in order. */
export const notices = (report: Report): ReadonlyArray<string> =>
  report.findings.filter(({ severity }) => severity === "notice").map(({ code }) => code)

/** The archive must give exactly these contested codes and this exit code. */
export const expectCodes = async (
  files: ArchiveFiles,
  expected: ReadonlyArray<string>,
  exit: number
): Promise<Report> => {
  const report = await verify(files)
  assert.deepStrictEqual(codes(report), [...expected].sort(), JSON.stringify(contested(report), null, 1))
  assert.strictEqual(exitCode(report, both), exit)
  return report
}
/** The same for proven tampering; a finding against integrity always leaves completeness unproven as well. */
export const tampered = (files: ArchiveFiles, ...expected: ReadonlyArray<string>) =>
  expectCodes(files, [...expected, "INTEGRITY_NOT_PROVEN"], 1)

/** The files with one of them changed. */
export const changed = (files: ArchiveFiles, key: string, change: (bytes: Uint8Array) => Uint8Array): ArchiveFiles => {
  const bytes = files.get(key)
  if (bytes === undefined) throw new Error(`no ${key}`)
  return new Map(files).set(key, change(bytes))
}
/** The files without some of them. */
export const without = (files: ArchiveFiles, ...keys: ReadonlyArray<string>): ArchiveFiles => {
  const rest = new Map(files)
  for (const key of keys) if (!rest.delete(key)) throw new Error(`no ${key}`)
  return rest
}
/** Flips one bit of the byte at `at`. */
export const flip = (at: number) => (bytes: Uint8Array) => bytes.map((byte, index) => index === at ? byte ^ 0x10 : byte)
/** The key of a path below the ledger's directory. */
export const key = (path: string) => ledgerKey(origin, path)
/** The keys of all log objects. */
export const objectKeys = (files: ArchiveFiles) => [...files.keys()].filter((name) => name.startsWith("logs/"))
/** An entry of the builder; throws when there is none. */
export const entryAt = (builder: ArchiveBuilder, index: number) => {
  const entry = builder.entries[index]
  if (entry === undefined) throw new Error(`no entry ${index}`)
  return entry
}
/** Publishes the changed entries of a builder as if they had been the history from the start. */
export const republished = (builder: ArchiveBuilder): ArchiveFiles => {
  for (const name of builder.files.keys()) {
    if (/\/(tile|checkpoint\.d|checkpoint)(\/|$)/.test(name)) builder.files.delete(name)
  }
  return builder.publish().files
}
