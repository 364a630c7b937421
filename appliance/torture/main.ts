/**
 * `npm run torture -- --seeds N [--first SEED] [--kills K] [--hours H] …`: runs as many seeds as asked, one after the
 * other; exit 1 if any of them lost, doubled or changed a line, forked the ledger or failed the verifier. Campaigns
 * against the verifier are in `CampaignCommand.ts`.
 */
import { parseArgs } from "node:util"
import { campaignCommand, campaignUsage, isCampaign } from "./CampaignCommand.ts"
import { main as hammer } from "./hammer/main.ts"
import { run, type RunResult } from "./TortureRun.ts"

const usage = `npm run torture -- [options]

  --seeds N    how many seeds to run (default 1)
  --first N    the first seed (default 1)
  --kills N    kill -9 so many times per seed (default 200)
  --hours N    simulated hours of backfill (default 26)
  --speed N    simulated seconds a second (default 20)
  --rate N     records a second (default 2)
  --faults P   probability of a fault per request, 0 to 1 (default 0.25)
  --workers N  windows archived at once (default 3)
  --json       one JSON line per seed on stdout

npm run torture -- hammer [processes] [appends] [seed]
  many processes on one ledger, killed at every step, on a store that fails; see hammer --help

${campaignUsage}`

const [campaign, ...campaignArguments] = process.argv.slice(2)
if (isCampaign(campaign)) process.exit(await campaignCommand(campaign, campaignArguments))

const wantsHammer = process.argv[2] === "hammer"

const { values } = parseArgs({
  args: wantsHammer ? [] : process.argv.slice(2),
  options: {
    seeds: { type: "string", default: "1" },
    first: { type: "string", default: "1" },
    kills: { type: "string", default: "200" },
    hours: { type: "string", default: "26" },
    speed: { type: "string", default: "20" },
    rate: { type: "string", default: "2" },
    faults: { type: "string", default: "0.25" },
    workers: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false }
  }
})

const good = (result: RunResult) =>
  result.different.length === 0 && result.untiled.length === 0 && result.gaps === 0 && result.windows > 0 &&
  result.integrity === "PASS" && result.completeness === "PASS"

const numberOf = (name: keyof typeof values): number => {
  const value = Number(values[name])
  if (!Number.isFinite(value) || value < 0) throw new Error(`--${name} must be a number of 0 or more`)
  return value
}

if (wantsHammer) {
  process.exitCode = await hammer(process.argv.slice(3))
} else if (values.help) {
  process.stdout.write(usage)
} else {
  const first = numberOf("first")
  for (let seed = first; seed < first + numberOf("seeds"); seed++) {
    const result = await run({
      seed,
      kills: numberOf("kills"),
      hours: numberOf("hours"),
      speed: numberOf("speed"),
      recordsPerSecond: numberOf("rate"),
      faultProbability: numberOf("faults"),
      workers: numberOf("workers"),
      windowMs: 600_000,
      log: (text) => process.stderr.write(`${text}\n`)
    })
    process.stdout.write(
      values.json ?
        `${JSON.stringify({ ok: good(result), ...result })}\n` :
        `seed ${seed}: ${good(result) ? "ok" : "BROKEN"} ` +
        `${result.windows} windows, ${result.lines} lines equal to the truth, ${result.kills} kills, ${result.entries} entries, ` +
        `INTEGRITY ${result.integrity}, COMPLETENESS ${result.completeness}, ${result.seconds} s\n` +
        `  faults ${JSON.stringify(result.faults)}\n` +
        [...result.different, ...result.untiled, ...result.findings].map((line) => `  ${line}\n`).join("")
    )
    if (!good(result)) process.exitCode = 1
  }
}
