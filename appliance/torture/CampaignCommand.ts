/**
 * `npm run torture -- bundle-mutations|valid-archives [count] [seed]`: runs a campaign on every core; exit 1 when the
 * verifier was wrong once, 2 for a wrong command line.
 */
import { parseArgs } from "node:util"
import { type CampaignName, campaigns, runCampaign } from "./Campaign.ts"

/** How the campaigns are called. */
export const campaignUsage = `npm run torture -- bundle-mutations [count] [seed]   ${
  campaigns["bundle-mutations"].toLocaleString("en")
} random mutations of a bundle, no false accept
npm run torture -- valid-archives [count] [seed]     ${
  campaigns["valid-archives"].toLocaleString("en")
} random valid archives, no false alarm

  --first N    number of the first attempt (default 0): repeats one that was named
  --threads N  threads (default: one a core)
  --json       one JSON line on stdout
`

/** Whether the first argument names a campaign. */
export const isCampaign = (name: string | undefined): name is CampaignName => name !== undefined && name in campaigns

const whole = (text: string | undefined, otherwise: number, what: string): number => {
  const value = text === undefined ? otherwise : Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new RangeError(`${what} must be a whole number of 0 or more, not "${text}"`)
}

const options = {
  first: { type: "string" },
  threads: { type: "string" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", default: false }
} as const

/** Runs the campaign that the arguments name; answers the exit code. */
export const campaignCommand = async (campaign: CampaignName, argv: ReadonlyArray<string>): Promise<0 | 1 | 2> => {
  try {
    const { positionals, values } = parseArgs({ args: [...argv], options, allowPositionals: true })
    if (values.help) {
      process.stdout.write(campaignUsage)
      return 0
    }
    const [count, seed, ...rest] = positionals
    if (rest.length > 0) throw new RangeError(`"${rest.join(" ")}" is not understood`)
    const request = {
      campaign,
      count: whole(count, campaigns[campaign], "the count"),
      seed: whole(seed, 1, "the seed"),
      first: whole(values.first, 0, "--first"),
      ...values.threads === undefined ? {} : { threads: Math.max(1, whole(values.threads, 1, "--threads")) }
    }
    let said = performance.now()
    const result = await runCampaign({
      ...request,
      onProgress: (done, perSecond) => {
        if (performance.now() - said < 5000) return
        said = performance.now()
        process.stderr.write(`${campaign}: ${done} of ${request.count}, ${Math.round(perSecond)}/s\n`)
      }
    })
    const { counts, perSecond, seconds, threads, wrong } = result
    process.stdout.write(
      values.json
        ? `${JSON.stringify(result)}\n`
        : `${campaign}, seed ${request.seed}: ${result.count} in ${seconds} s on ${threads} threads, ${perSecond}/s, ` +
          `${wrong.length === 0 ? "none wrong" : `${wrong.length} WRONG`}\n` +
          [...Object.entries(counts).map(([name, times]) => `${name}: ${times}`), ...wrong]
            .map((line) => `  ${line}\n`).join("")
    )
    return wrong.length === 0 && result.count > 0 ? 0 : 1
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error
    process.stderr.write(`${error.message}\n\n${campaignUsage}`)
    return 2
  }
}
