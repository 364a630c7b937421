/**
 * `npm run torture -- hammer [processes] [appends] [seed]`: exit 0 when the ledger stands, 1 when anything is broken, 2
 * for wrong usage.
 */
import { parseArgs } from "node:util"
import { run } from "./HammerRun.ts"

const usage = `npm run torture -- hammer [processes] [appends] [seed] [options]

  processes    workers that archive at once (default 8)
  appends      windows each of them archives (default 1000)
  seed         of the faults and the kills (default 1)
  --faults P   probability that a call of the object store is faulty, 0 to 1 (default 0.02)
  --rounds N   how often every process dies at each moment of each step (default 1)
  --json       the result as one JSON line

  npm run torture -- hammer 8 1000 1
  npm run torture -- hammer 3 60 7 --faults 0.1 --json
`

const whole = (name: string, text: string): number => {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new Error(`${name} must be a whole number of 1 or more, not ${text}`)
  return Number(text)
}

/** Runs the command; the result is the exit code. */
export const main = async (args: ReadonlyArray<string>): Promise<number> => {
  try {
    const { positionals, values } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        faults: { type: "string", default: "0.02" },
        rounds: { type: "string", default: "1" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false }
      }
    })
    if (values.help) {
      process.stdout.write(usage)
      return 0
    }
    const [processes = "8", appends = "1000", seed = "1"] = positionals
    const faultProbability = Number(values.faults)
    if (!(faultProbability >= 0 && faultProbability < 1)) throw new Error("--faults must be at least 0 and less than 1")
    const result = await run({
      processes: whole("processes", processes),
      appends: whole("appends", appends),
      seed: whole("seed", seed),
      faultProbability,
      rounds: whole("--rounds", values.rounds),
      log: (text) => process.stderr.write(`${text}\n`)
    })
    const { broken, directory, killed, ...figures } = result
    process.stdout.write(
      values.json ? `${JSON.stringify(result)}\n` : `${JSON.stringify({ ...figures, killed }, null, 2)}\n`
    )
    if (broken.length === 0) {
      process.stderr.write("The ledger stands.\n")
      return 0
    }
    process.stderr.write(`BROKEN; everything is kept in ${directory}\n${broken.map((line) => `  ${line}\n`).join("")}`)
    return 1
  } catch (cause) {
    const isUsage = cause instanceof Error && (/must be/.test(cause.message) || "code" in cause)
    process.stderr.write(
      isUsage ? `${cause.message}\n\n${usage}` : `${cause instanceof Error ? cause.stack : String(cause)}\n`
    )
    return isUsage ? 2 : 1
  }
}
