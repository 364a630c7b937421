/**
 * Benchmark `receiver`: 2 000 batches of 1 000 generated records are pushed over HTTP, eight at once, each acknowledged
 * when it is on the disk; measures the time to the acknowledgement. Target: p99 within 250 ms.
 */
import { spawn } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { loadavg } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { gzipSync } from "node:zlib"
import { type Bench, rounded, runtime } from "./Bench.ts"
import { writeGenerated } from "./GeneratedFile.ts"
import { ratioTo } from "./PublicTool.ts"
import { benchSecret, benchSource } from "./ReceiverProcess.ts"

const batches = 2000
const linesPerBatch = 1000
const atOnce = 8

const percentile = (sorted: ReadonlyArray<number>, part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN

/** The benchmark. It fails when a batch is not acknowledged as stored. */
export const receiver: Bench = {
  name: "receiver",
  about: "push batches over HTTP; time to the acknowledgement",
  run: async ({ directory }) => {
    const input = join(directory, "input.ndjson")
    await writeGenerated(input, 4_000_000)
    const lines = readFileSync(input, "utf8").split("\n").slice(0, linesPerBatch)
    // Every batch is other content, as real ones are.
    const bodies = Array.from(
      { length: 50 },
      (_, index) => lines.map((line) => line.replace("{", `{"Batch":${index},`))
    )
    const child = spawn(
      process.execPath,
      [...process.execArgv, join(import.meta.dirname, "ReceiverProcess.ts"), join(directory, "spool")],
      { stdio: ["pipe", "pipe", "inherit"] }
    )
    const output = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    try {
      const { value: url } = await output.next()
      const times: Array<number> = []
      let [sent, plainBytes] = [0, 0]
      const began = performance.now()
      const push = async (): Promise<void> => {
        while (sent < batches) {
          const number = sent++
          const text = `{"Number":${number}}\n${bodies[number % bodies.length]!.join("\n")}\n`
          const body = gzipSync(text, { level: 1 })
          plainBytes += Buffer.byteLength(text)
          const start = performance.now()
          const answer = await fetch(`${String(url)}/ingest/logpush/${benchSource}`, {
            method: "POST",
            headers: { authorization: `Bearer ${benchSecret}` },
            body: new Uint8Array(body)
          })
          const receipt = await answer.text()
          times.push(performance.now() - start)
          if (receipt !== "stored\n") throw new Error(`batch ${number}: ${answer.status} ${receipt}`)
        }
      }
      await Promise.all(Array.from({ length: atOnce }, push))
      const wallSeconds = (performance.now() - began) / 1000
      child.stdin.write("\n")
      const { value: report } = await output.next()
      const took: { readonly cpuSeconds: number; readonly peakRssMb: number } = JSON.parse(String(report))
      const sorted = times.toSorted((left, right) => left - right)
      const mb = plainBytes / 1e6
      // The same bytes as one gzip file, unpacked: what a receiver must at least do to look into a batch.
      const gzipped = join(directory, "all.gz")
      writeFileSync(gzipped, gzipSync(`${bodies[0]!.join("\n")}\n`.repeat(200), { level: 1 }))
      const ratio = ratioTo(
        { name: "gzip -dc", argv: ["gzip", "-dc"] },
        gzipped,
        took.cpuSeconds * (Buffer.byteLength(bodies[0]!.join("\n")) * 200) / plainBytes
      )
      return {
        name: "receiver",
        mbPerSecPerCore: rounded(mb / took.cpuSeconds),
        ratio: ratio.ratio,
        peakRssMb: rounded(took.peakRssMb),
        mbPerSec: rounded(mb / wallSeconds),
        sizeBytes: plainBytes,
        runtime: runtime(),
        ratios: [ratio],
        details: {
          batches,
          atOnce,
          p50Ms: rounded(percentile(sorted, 0.5)),
          p99Ms: rounded(percentile(sorted, 0.99)),
          longestMs: rounded(sorted.at(-1) ?? Number.NaN),
          loadAverage: rounded(loadavg()[0] ?? 0)
        }
      }
    } finally {
      child.kill("SIGKILL")
    }
  }
}
