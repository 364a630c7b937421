/**
 * `npm run bench -- <name…> [--size 1GiB] [--json]`: runs benchmarks one after the other; prints one JSON line each on
 * standard output with `--json`, a table row each without. Exit code 1 when one fails, 2 for a wrong command line.
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { archive } from "./src/Archive.ts"
import type { Bench, BenchResult } from "./src/Bench.ts"
import { bundle } from "./src/Bundle.ts"
import { largeWindow } from "./src/LargeWindow.ts"
import { pipeline } from "./src/Pipeline.ts"
import { receiver } from "./src/Receiver.ts"
import { seal } from "./src/Seal.ts"
import { parseSize } from "./src/Size.ts"
import { verify } from "./src/Verify.ts"

/** All benchmarks. A new one is a file in `src/` and a line here. */
const benches: ReadonlyArray<Bench> = [seal, archive, largeWindow, verify, bundle, receiver, pipeline]

const usage = (problem: string): never => {
  const names = benches.map(({ about, name }) => `  ${name.padEnd(10)}${about}`).join("\n")
  process.stderr.write(`${problem}\n\nusage: npm run bench -- <name…> [--size 1GiB] [--json]\n${names}\n`)
  process.exit(2)
}

const commandLine = () => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { json: { type: "boolean", default: false }, size: { type: "string", default: "1GiB" } }
    })
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error))
  }
}

const describe = (result: BenchResult): string => {
  const ratios = result.ratios.map(({ ratio, tool }) => `${ratio ?? "?"} × ${tool}`).join(", ")
  return `${result.name.padEnd(10)}${result.mbPerSecPerCore} MB/s per core   ${result.mbPerSec} MB/s   ` +
    `${ratios}   peak ${result.peakRssMb} MB   (${result.runtime}, ${Math.round(result.sizeBytes / 1e6)} MB)`
}

const { positionals, values } = commandLine()
if (positionals.length === 0) usage("name at least one benchmark")
const sizeBytes = parseSize(values.size) ?? usage(`"${values.size}" is not a size: write 500MB or 1GiB`)
const chosen = positionals.map((name) =>
  benches.find((bench) => bench.name === name) ?? usage(`there is no benchmark "${name}"`)
)

for (const bench of chosen) {
  const directory = await mkdtemp(join(tmpdir(), "rainlogs-bench-"))
  try {
    const result = await bench.run({ sizeBytes, directory })
    process.stdout.write(`${values.json ? JSON.stringify(result) : describe(result)}\n`)
  } catch (error) {
    process.stderr.write(
      `${bench.name} failed: ${error instanceof Error ? error.stack ?? error.message : String(error)}\n`
    )
    process.exitCode = 1
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
