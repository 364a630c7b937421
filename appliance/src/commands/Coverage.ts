/**
 * `rainlogs coverage`: what the archive holds of a zone, source by source.
 */
import { ZoneCoverage } from "@rainlogs/core/api/CoverageApi"
import { Console, DateTime, Effect, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { apiFlags, ask } from "./ApiClient.ts"
import { CommandEnded } from "./CommandEnded.ts"
import { momentOrNull } from "./Moments.ts"

/** The exit code when hours of the range are not there: a gap, a part, or not known. */
export const incompleteExitCode = 2

/** The exit code when nothing is lost and something is still to be collected. */
export const pendingExitCode = 3

const encodeCoverage = Schema.encodeSync(ZoneCoverage)

type Hour = ZoneCoverage["sources"][number]["hours"][number]

/** Consecutive hours that say the same, as one. */
interface Span {
  readonly from: number
  to: number
  readonly verdict: Hour["verdict"]
  readonly reasons: string
  records: number
  hoursToLoss: number | null
}

const hourMs = 3_600_000

/** Consecutive hours with the same verdict and reasons, oldest first. */
export const spansOf = (hours: ReadonlyArray<Hour>): ReadonlyArray<Span> => {
  const spans: Array<Span> = []
  for (const { hoursToLoss, reasons, records, start, verdict } of hours) {
    const from = start.epochMilliseconds
    const last = spans.at(-1)
    const text = reasons.join(", ")
    if (last !== undefined && last.to === from && last.verdict === verdict && last.reasons === text) {
      last.to = from + hourMs
      last.records += records
      last.hoursToLoss = hoursToLoss === null ? last.hoursToLoss : Math.min(hoursToLoss, last.hoursToLoss ?? Infinity)
    } else spans.push({ from, to: from + hourMs, verdict, reasons: text, records, hoursToLoss })
  }
  return spans
}

const minutes = (at: number): string => new Date(at).toISOString().slice(0, 16).replace("T", " ")

const inWords = ({ from, hoursToLoss, reasons, records, to, verdict }: Span): string =>
  `  ${minutes(from)} – ${minutes(to)}  ${verdict}${reasons === "" ? "" : ` (${reasons})`}` +
  `  ${records} records${hoursToLoss === null ? "" : `, lost in ${hoursToLoss} h`}`

const describe = ({ from, sources, to, zone }: ZoneCoverage): string =>
  [
    `Zone ${zone}, ${DateTime.formatIso(from)} to ${DateTime.formatIso(to)} (UTC)`,
    ...sources.flatMap(({ hours, name, status }) => [
      `${name}${status.state === "blocked" ? ` is blocked (${status.reason}): ${status.remedy}` : ""}`,
      ...hours.length === 0 ? ["  nothing: the hours are still to come"] : spansOf(hours).map(inWords)
    ]),
    ...sources.length === 0 ? ["The zone has no source."] : []
  ].join("\n")

/** What the verdicts mean for a script. */
export const exitCodeOf = ({ sources }: ZoneCoverage): number => {
  const found = new Set(sources.flatMap(({ hours }) => hours.map(({ verdict }) => verdict)))
  if (["gap", "partial", "unknown"].some((verdict) => found.has(verdict as Hour["verdict"]))) return incompleteExitCode
  return found.has("pending") ? pendingExitCode : 0
}

/** The command. */
export const command = Command.make("coverage", {
  ...apiFlags,
  zone: Flag.String("zone").pipe(Flag.withDescription("Id of the zone, as GET /api/v1/zones shows it")),
  from: Flag.String("from").pipe(
    Flag.withDescription("First moment, down to a full hour; 24 hours before --to when left out"),
    Flag.withDefault("")
  ),
  to: Flag.String("to").pipe(
    Flag.withDescription("End, up to a full hour, exclusive; now when left out"),
    Flag.withDefault("")
  )
}, (options) =>
  Effect.gen(function*() {
    const from = yield* momentOrNull("--from", options.from)
    const to = yield* momentOrNull("--to", options.to)
    const query = new URLSearchParams({ ...from === null ? {} : { from }, ...to === null ? {} : { to } })
    const path = `/api/v1/zones/${encodeURIComponent(options.zone)}/coverage?${query}`
    const coverage = yield* ask(options, "GET", path, ZoneCoverage)
    yield* Console.log(options.json ? JSON.stringify(encodeCoverage(coverage)) : describe(coverage))
    const exitCode = exitCodeOf(coverage)
    if (exitCode !== 0) return yield* new CommandEnded({ exitCode })
  })).pipe(
    Command.withDescription(
      "Which hours of a zone are archived, which are not, and why. Exit codes: 0 all complete or sampled, 1 failed, " +
        "2 gaps, missing records or unknown hours, 3 hours still to be collected"
    ),
    Command.withExamples([
      { command: "rainlogs coverage --zone ID", description: "The last 24 hours" },
      { command: "rainlogs coverage --zone ID --from 2026-11-01 --to 2026-12-01 --json", description: "A month" }
    ])
  )
