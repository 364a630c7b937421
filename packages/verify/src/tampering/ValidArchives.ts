/**
 * A campaign of random valid archives, each looked at many times in its life: between publications, after whole ones, and
 * after ones that were killed between two writes. A false alarm is any finding against integrity or completeness that
 * such a moment does not explain.
 */
import { type Question, questions, type Report } from "../Report.ts"
import { verifyArchive, type VerifyOptions } from "../VerifyArchive.ts"
import { log } from "./ArchiveBuilder.ts"
import { type ArchiveFiles, memoryReader } from "./MemoryReader.ts"
import { random } from "./Random.ts"
import { type Moment, RandomArchive } from "./RandomArchive.ts"

/** Judges the files of an archive. */
export type JudgeFiles = (files: ArchiveFiles) => Promise<Report>

/** Verifies with the key of the built archives' log. */
export const filesJudge = (functions: Pick<VerifyOptions, "sha256" | "verifySignature">): JudgeFiles => (files) =>
  verifyArchive(memoryReader(files), { keys: [log.key], ...functions })

const asked: ReadonlySet<Question> = new Set(questions.filter((question) => question !== "anchoring"))
// Nobody anchors these archives. A hole that can still be filled is pending, and before the first window or gap of any
// source there is nothing to be complete.
const whenServed: ReadonlySet<string> = new Set(["COVERAGE_PENDING", "NOTHING_VERIFIED"])
// Before the first publication has ended nothing is served.
const beforeServed: ReadonlySet<string> = new Set([
  ...whenServed,
  "CHECKPOINT_MISSING",
  "INTEGRITY_NOT_PROVEN",
  "UNKNOWN_KEY"
])

/** Why a report on a valid archive is a false alarm; null when it is none. */
export const falseAlarm = (report: Report, { served }: Pick<Moment, "served">): string | null => {
  const explained = served ? whenServed : beforeServed
  const alarms = report.findings.filter(({ code, question, severity }) =>
    severity !== "notice" && asked.has(question) && (severity !== "inconclusive" || !explained.has(code))
  )
  if (alarms.length > 0) {
    return alarms.slice(0, 5).map(({ code, detail, severity }) => `${severity} ${code}: ${detail}`).join("; ")
  }
  return served && report.verdict.integrity !== "PASS" ? `integrity is ${report.verdict.integrity}` : null
}

/** What came out of a part of a campaign. */
export interface ArchivesOutcome {
  readonly archives: number
  readonly verifications: number
  readonly entries: number
  /** Archives that ended complete, without anything pending. */
  readonly complete: number
  /** Archives with full tiles. */
  readonly withFullTiles: number
  /** The moments that raised an alarm. Empty when the verifier is right. */
  readonly falseAlarms: ReadonlyArray<string>
}

// One archive in this many grows past its first full tile.
const largeEvery = 20

/** Lives the archives number `first` to `first + count` − 1 of the sequence `seed`; each depends on these two alone. */
export const liveArchives = async (
  judge: JudgeFiles,
  { count, first, seed }: { readonly seed: number; readonly first: number; readonly count: number }
): Promise<ArchivesOutcome> => {
  const falseAlarms: Array<string> = []
  let [verifications, entries, complete, withFullTiles] = [0, 0, 0, 0]
  const look = async (moment: Moment, what: string): Promise<Report> => {
    const report = await judge(moment.files)
    verifications++
    const alarm = falseAlarm(report, moment)
    if (alarm !== null) falseAlarms.push(`${what}, ${moment.what}: ${alarm}`)
    return report
  }
  for (let number = first; number < first + count; number++) {
    const what = `archive ${number} of seed ${seed}`
    const choices = random((Math.imul(seed, 0x9e37_79b1) ^ number) >>> 0)
    const archive = new RandomArchive(choices)
    const large = number % largeEvery === 7
    for (let part = 0; part < 6; part++) {
      archive.grow(large ? 40 + choices.integer(60) : 1 + choices.integer(12))
      await look(archive.moment(), what)
      await look(archive.publish(choices.chance(2, 3) ? "killed" : "whole"), what)
    }
    const report = await look(archive.publish("whole"), what)
    if (report.size !== archive.builder.entries.length) {
      falseAlarms.push(`${what}: ${report.size} of ${archive.builder.entries.length} entries verified`)
    }
    entries += report.size
    if (report.verdict.completeness === "PASS") complete++
    if (report.size > 256) withFullTiles++
  }
  return { archives: count, verifications, entries, complete, withFullTiles, falseAlarms }
}
