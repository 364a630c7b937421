/**
 * Attacks on an archive, to see that the verifier exposes each: the catalogue on an archive that is built for it, and
 * the attacks that fit any archive on a given one. Nothing is written anywhere: changes lie over the archive in memory.
 */
import type { ArchiveReader } from "../ArchiveReader.ts"
import { verify as javaScriptVerify } from "../Ed25519.ts"
import { exitCode, type Finding, type Report } from "../Report.ts"
import { chooseLogKey, verifyArchive, type VerifyOptions } from "../VerifyArchive.ts"
import { archiveAttacks, type Attack } from "./ArchiveAttacks.ts"
import { surveyArchive } from "./ArchiveSurvey.ts"
import { catalogue, runCase } from "./Catalogue.ts"
import { evidenceArchive, trust } from "./EvidenceArchive.ts"
import { rewriteRecent } from "./InsiderKit.ts"
import { hashingOnce, overlay } from "./OverlayReader.ts"
import { random } from "./Random.ts"
import type { TamperCase } from "./TamperCase.ts"

/**
 * What became of an attack. CLEARED: nothing was done, and the verifier said so; NOT TRIED: there was nothing to do it
 * to, `reason` says what is missing.
 */
export type AttackVerdict = "EXPOSED" | "NOT EXPOSED" | "CLEARED" | "NOT TRIED"

/** One row of the table. */
export interface AttackResult {
  readonly on: "catalogue" | "archive"
  readonly id: string
  readonly mutation: string
  readonly verdict: AttackVerdict
  /** Exit code of the verification; null when it was not tried, or made of several attempts. */
  readonly exit: number | null
  /** Code of the first finding that exposes it. */
  readonly code: string | null
  /** The first file or entry that finding is about. */
  readonly subject: string | null
  /** Why it was not exposed or not tried. */
  readonly reason: string | null
}

/** The archive does not pass before anything is done to it, so nothing can be learnt from attacks. */
export class ArchiveNotSoundError extends Error {
  override readonly name = "ArchiveNotSoundError"
}

/** What an attack on a given archive needs. */
export interface RedTeamOptions {
  readonly trust: VerifyOptions
  readonly seed: number
  /** The moment of the attack, ms. */
  readonly now: number
}

const subjectOf = ({ chain, key, seq }: Finding): string | null =>
  key ?? (chain === null ? null : `${chain}${seq === null ? "" : ` #${seq}`}`)

const isMissingTool = (error: unknown): boolean => error instanceof Error && "code" in error && error.code === "ENOENT"

const tryCase = async (item: TamperCase, run: () => ReturnType<typeof runCase>): Promise<AttackResult> => {
  const row = { on: "catalogue", id: item.id, mutation: item.mutation, exit: item.exit } as const
  try {
    const { codes, first, shortfalls } = await run()
    const code = item.expect.find((expected) => codes.includes(expected)) ?? null
    const subject = first === null ? null : subjectOf(first)
    if (shortfalls.length > 0) {
      return { ...row, verdict: "NOT EXPOSED", code, subject, reason: shortfalls.join("; ") }
    }
    return { ...row, verdict: item.exit === 0 ? "CLEARED" : "EXPOSED", code, subject, reason: null }
  } catch (error) {
    if (!isMissingTool(error)) throw error
    const reason = "the openssl command, which makes the timestamps, is not installed"
    return { ...row, exit: null, verdict: "NOT TRIED", code: null, subject: null, reason }
  }
}

/** Runs every case of the catalogue. `functions` are faster ones of the platform. */
export async function* attackCatalogue(
  functions: Pick<VerifyOptions, "sha256" | "verifySignature">
): AsyncGenerator<AttackResult> {
  const built = await evidenceArchive()
  const evidence = { copy: () => built.copy(), trust: { ...trust(), ...functions } }
  for (const item of catalogue) yield await tryCase(item, () => runCase(item, evidence))
}

// What the report holds against a question that the untouched archive passes.
const exposing = (baseline: Report, report: Report): ReadonlyArray<Finding> => {
  const before = new Set(baseline.findings.map((finding) => JSON.stringify(finding)))
  return report.findings.filter((finding) =>
    finding.severity !== "notice" && baseline.verdict[finding.question] === "PASS" &&
    !before.has(JSON.stringify(finding))
  )
}

const asRow = (
  attack: { readonly id: string; readonly mutation: string },
  report: Report,
  found: Finding | undefined,
  reason: string
): AttackResult => ({
  on: "archive",
  ...attack,
  verdict: found === undefined ? "NOT EXPOSED" : "EXPOSED",
  exit: exitCode(report),
  code: found?.code ?? null,
  subject: found === undefined ? null : subjectOf(found),
  reason: found === undefined ? reason : null
})

const notTried = (attack: { readonly id: string; readonly mutation: string }, reason: string): AttackResult => ({
  on: "archive",
  ...attack,
  verdict: "NOT TRIED",
  exit: null,
  code: null,
  subject: null,
  reason
})

/** Number of attacks on a given archive. */
export const archiveAttackCount = archiveAttacks.length + 1

/**
 * Attacks a given archive. Rejects with {@link ArchiveNotSoundError} when its INTEGRITY is not PASS before, and with
 * `NothingToAttackError` when it holds nothing.
 */
export async function* attackArchive(base: ArchiveReader, options: RedTeamOptions): AsyncGenerator<AttackResult> {
  const { now, seed, trust: given } = options
  const { name: origin } = chooseLogKey(given.keys)
  const reader = hashingOnce(base)
  const baseline = await verifyArchive(reader, { ...given, now })
  if (baseline.verdict.integrity !== "PASS") {
    const first = baseline.findings.find(({ question, severity }) => question === "integrity" && severity !== "notice")
    throw new ArchiveNotSoundError(
      `INTEGRITY of the archive is ${baseline.verdict.integrity} as it is (${first?.code ?? "no finding"}: ` +
        `${first?.detail ?? ""}); verify it first, then attack a copy that passes`
    )
  }
  const survey = await surveyArchive(reader, origin, random(seed))
  for (const { id, make, mutation } of archiveAttacks) {
    const attack: Attack = await make(survey)
    if ("notTried" in attack) {
      yield notTried({ id, mutation }, attack.notTried)
      continue
    }
    const report = await verifyArchive(overlay(reader, attack.changes), {
      ...given,
      now,
      pinned: [...given.pinned ?? [], ...attack.pinned ?? []]
    })
    const [first] = exposing(baseline, report)
    yield asRow({ id, mutation }, report, first, "no question that the archive passes was answered otherwise")
  }
  const insider = {
    id: "insider",
    mutation: "with database, bucket and log key in hand, write the last 30 days anew and anchor them today"
  }
  const rewritten = await rewriteRecent(survey, now, given.sha256)
  if ("notTried" in rewritten) {
    yield notTried(insider, rewritten.notTried)
    return
  }
  const report = await verifyArchive(overlay(reader, rewritten.changes), {
    ...given,
    now,
    keys: [...given.keys, rewritten.witness],
    verifySignature: rewritten.accepting(given.verifySignature ?? javaScriptVerify)
  })
  // Whatever else he forgot, only this rule stands against one who forgets nothing.
  const late = exposing(baseline, report).find(({ code }) => code === "ANCHOR_LAG_EXCEEDED")
  const reason = baseline.verdict.anchoring === "PASS"
    ? "everything he wrote is younger than the longest time to an anchor that the policy allows (anchor-lag)"
    : "nothing outside this archive attests its last 30 days: configure an anchor, and pass --tsa-root or the " +
      "witness's --key"
  yield asRow(insider, report, late, reason)
}

/** Whether every attack that was tried was exposed; false when none was tried. */
export const allExposed = (results: ReadonlyArray<AttackResult>): boolean =>
  results.some(({ verdict }) => verdict === "EXPOSED") &&
  results.every(({ verdict }) => verdict !== "NOT EXPOSED")
