/**
 * `rainlogs demo`: the whole road on this machine. A simulated Cloudflare zone is archived by a real appliance, and the
 * offline verifier judges the real directory.
 */
import { defaultPlanning, type PlanningOptions } from "@rainlogs/core/archive/PlanWindows"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId } from "@rainlogs/core/domain/Identifier"
import type { LedgerOf } from "@rainlogs/core/ledger/LedgerStore"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { verify as verifySignature } from "@rainlogs/verify/node/NativeEd25519"
import { sha256 } from "@rainlogs/verify/node/NativeSha256"
import type { Report } from "@rainlogs/verify/Report"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { verifyArchive } from "@rainlogs/verify/VerifyArchive"
import { Effect, Redacted } from "effect"
import * as Appliance from "../Appliance.ts"
import { DataDirectory } from "../DataDirectory.ts"
import { PostgresArchive } from "../PostgresArchive.ts"
import * as Progress from "../Progress.ts"
import * as ResidentMemory from "../ResidentMemory.ts"
import * as DemoClient from "./DemoClient.ts"
import * as DemoState from "./DemoState.ts"
import * as DemoZone from "./DemoZone.ts"
import { type ArchiveTotals, awaitRound } from "./FirstRound.ts"
import { flipOneByte, type FlippedByte } from "./Tampering.ts"

/** What the demo is asked for. */
export interface DemoOptions {
  readonly ending: "follow" | "once" | "tamper"
  readonly output: "text" | "json"
  readonly host: string
  readonly port: number
}

/** Live windows of one minute, so that there is something to watch; the archive itself defaults to five. */
const planning: PlanningOptions = { ...defaultPlanning, liveWindowMs: 60_000 }

/** How soon a window is asked for, ms: the simulated Cloudflare serves windows that ended a minute ago. */
const settleMs = 90_000

const makeState = Effect.fnUntraced(function*(apiUrl: string, cloudflareToken: string) {
  const admin = yield* Appliance.adminToken
  const customer = yield* DemoClient.createCustomer(apiUrl, admin)
  const state: DemoState.DemoState = {
    customer: customer.id,
    origin: customer.origin,
    vkey: customer.vkey,
    apiKey: Redacted.value(customer.apiKey),
    zone: null,
    cloudflareToken,
    seed: "rainlogs-demo"
  }
  yield* DemoState.save(state)
  return state
})

/** The demo's customer and zone: those of an earlier run on this directory, or new ones made through the API. */
const prepare = Effect.fnUntraced(function*(apiUrl: string, cloudflareToken: string) {
  const state = (yield* DemoState.load()) ?? (yield* makeState(apiUrl, cloudflareToken))
  if (state.zone !== null) return state
  const zone = yield* DemoClient.createZone(apiUrl, Redacted.make(state.apiKey), {
    name: DemoZone.zoneName,
    cloudflareZoneId: DemoZone.cloudflareZoneId,
    token: cloudflareToken,
    backfillHours: DemoZone.backfillHours
  })
  const complete = { ...state, zone: zone.id }
  yield* DemoState.save(complete)
  return complete
})

/** The verifier's judgement on the archive directory, by the public key alone. */
const verify = (archive: string, vkey: string): Effect.Effect<Report> =>
  Effect.promise(async () =>
    verifyArchive(await openDirectory(archive), { keys: [parseVerifierKey(vkey)], sha256, verifySignature })
  )

const say = (text: string) => Effect.sync(() => process.stderr.write(`${text}\n`))

const verdictLines = (report: Report): string =>
  (["integrity", "completeness", "anchoring", "erasures"] as const)
    .map((question) => `  ${question.toUpperCase().padEnd(13)} ${report.verdict[question]}`)
    .join("\n")

const findingLines = (report: Report): string =>
  report.findings
    .filter(({ severity }) => severity !== "notice")
    .map(({ actual, code, detail, expected, key }) =>
      `  ${code}: ${detail}` + (key === undefined ? "" : `\n    file      ${key}`) +
      (expected === undefined ? "" : `\n    expected  ${expected}`) +
      (actual === undefined ? "" : `\n    actual    ${actual}`)
    )
    .join("\n")

interface Round {
  readonly state: DemoState.DemoState
  readonly apiUrl: string
  readonly archive: string
  readonly totals: ArchiveTotals
  readonly report: Report
  readonly seconds: number
  readonly readyMs: number
}

const summary = Effect.fnUntraced(function*(round: Round, flipped: FlippedByte | undefined) {
  const { apiUrl, archive, readyMs, report, seconds, state, totals } = round
  return {
    verdict: report.verdict,
    archive,
    origin: state.origin,
    vkey: state.vkey,
    apiUrl,
    apiKey: state.apiKey,
    customer: state.customer,
    zone: state.zone,
    windows: totals.windows,
    gaps: totals.gaps,
    records: totals.records,
    bytes: totals.plainBytes,
    storedBytes: totals.storedBytes,
    entries: report.size,
    seconds: Number(seconds.toFixed(3)),
    readyMs: Math.round(readyMs),
    rssMb: Math.round((yield* ResidentMemory.withChildren) / 1e6),
    findings: report.findings.filter(({ severity }) => severity !== "notice"),
    ...(flipped === undefined ? {} : { tampered: flipped })
  }
})

/** `text` as one word of a POSIX shell. */
const quoted = (text: string): string => /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`

const print = Effect.fnUntraced(function*(round: Round, output: DemoOptions["output"], flipped?: FlippedByte) {
  const { apiUrl, archive, report, seconds, state, totals } = round
  if (output === "json") {
    const result = yield* summary(round, flipped)
    yield* Effect.sync(() => process.stdout.write(`${JSON.stringify(result)}\n`))
    return
  }
  // From source there is no `rainlogs` on the PATH, but the clone's own verifier.
  const verifier = (yield* PostgresArchive) === undefined ? "npx rainlogs-verify" : `${quoted(process.execPath)} verify`
  const check = `${verifier} ${quoted(archive)} --key ${quoted(state.vkey)} --only integrity,completeness`
  yield* Effect.sync(() =>
    process.stdout.write(
      `\n${totals.windows} windows, ${totals.records} records, ${Progress.bytes(totals.plainBytes)} archived as ` +
        `${Progress.bytes(totals.storedBytes)} in ${seconds.toFixed(1)} s\n\n` +
        `Verdict on ${archive} (${report.size} ledger entries):\n${verdictLines(report)}\n${findingLines(report)}\n\n` +
        `Archive   ${archive}\nPublic key ${state.vkey}\n` +
        `Check it yourself: ${check}\n\n` +
        `API       ${apiUrl}   (${apiUrl}/docs)\nAPI key   ${state.apiKey}\n` +
        `Try: curl -H 'Authorization: Bearer ${state.apiKey}' ${apiUrl}/api/v1/zones\n`
    )
  )
})

const good = (report: Report) => report.verdict.integrity === "PASS" && report.verdict.completeness === "PASS"

const tamper = Effect.fnUntraced(function*(round: Round, output: DemoOptions["output"]) {
  const flipped = yield* flipOneByte(round.archive)
  yield* say(
    `Flipped one bit: ${flipped.key} at byte ${flipped.offset}, ${flipped.before} → ${flipped.after}. Verifying again…`
  )
  const report = yield* verify(round.archive, round.state.vkey)
  yield* print({ ...round, report }, output, flipped)
  yield* say(
    report.verdict.integrity === "FAIL"
      ? "The verifier caught it. The byte stays flipped: use another --data directory for a clean demo."
      : "The verifier did NOT catch it. That is a defect of Rainlogs: please report it."
  )
  // Exit 1 says that tampering was proven; an archive that still passes here is a defect, not a success.
  return report.verdict.integrity === "FAIL" ? 1 : 4
})

/** Follows live: a line for each verified round, until interrupted. */
const follow = Effect.fnUntraced(function*(ledger: LedgerOf, first: Round, progress: Progress.Progress) {
  yield* say("\nFollowing live; press Ctrl-C to stop.")
  let seen = first.totals.windows
  for (;;) {
    yield* Effect.sleep("5 seconds")
    const totals = yield* awaitRound(ledger, planning, progress)
    if (totals.windows === seen) continue
    seen = totals.windows
    const report = yield* verify(first.archive, first.state.vkey)
    yield* say(
      `${new Date().toISOString()}  ${totals.windows} windows  ${totals.records} records  ` +
        `INTEGRITY ${report.verdict.integrity}  COMPLETENESS ${report.verdict.completeness}`
    )
  }
})

/** Runs the demo and returns its exit code: 0 verified, 1 tampering proven (as asked for), 2 not verified. */
export const run = Effect.fn("Demo.run")(function*(options: DemoOptions, startedAt: number) {
  const directory = yield* DataDirectory
  const progress = yield* Progress.make
  const earlier = yield* DemoState.load()
  const token = earlier?.cloudflareToken ?? DemoState.newCloudflareToken()
  yield* say(earlier === undefined ? `Starting in ${directory.root}` : `Resuming in ${directory.root}`)
  const simulator = yield* DemoZone.simulate(token, "rainlogs-demo")

  return yield* Effect.gen(function*() {
    const { url: apiUrl } = yield* Appliance.ApiAddress
    const readyMs = performance.now() - startedAt
    yield* say(`API ready at ${apiUrl} after ${Math.round(readyMs)} ms; backfilling ${DemoZone.backfillHours} hours`)
    const state = yield* prepare(apiUrl, token)
    const ledger: LedgerOf = { customer: CustomerId.make(state.customer), origin: Origin.make(state.origin) }
    const totals = yield* awaitRound(ledger, planning, progress)
    const report = yield* verify(directory.archive, state.vkey)
    const seconds = (performance.now() - startedAt) / 1000
    const round: Round = { state, apiUrl, archive: directory.archive, totals, report, seconds, readyMs }
    if (options.ending === "tamper") return yield* tamper(round, options.output)
    yield* print(round, options.output)
    if (options.ending === "follow") return yield* follow(ledger, round, progress)
    return good(report) ? 0 : 2
  }).pipe(
    Effect.provide(Appliance.layer({
      host: options.host,
      port: options.port,
      planning,
      settleMs,
      cloudflareBaseUrl: simulator.url
    }))
  )
}, Effect.scoped)
