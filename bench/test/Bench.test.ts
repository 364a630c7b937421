import { assert, describe, it } from "@effect/vitest"
import { execFile, spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { writeGenerated } from "../src/GeneratedFile.ts"
import { measure } from "../src/Measure.ts"
import { ratioTo, runTool } from "../src/PublicTool.ts"
import { parseSize } from "../src/Size.ts"

const main = join(import.meta.dirname, "../main.ts")

const withDirectory = async <A>(run: (directory: string) => Promise<A>): Promise<A> => {
  const directory = mkdtempSync(join(tmpdir(), "rainlogs-bench-test-"))
  try {
    return await run(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

describe("npm run bench -- seal", () => {
  it("prints one JSON line with measured figures and leaves no file", () =>
    withDirectory(async (directory) => {
      const environment = { ...process.env, TMPDIR: directory }
      const { stdout } = await promisify(execFile)(process.execPath, [main, "seal", "--json", "--size", "8MiB"], {
        env: environment
      })
      assert.strictEqual(stdout.trimEnd().split("\n").length, 1)
      const result = JSON.parse(stdout)
      assert.strictEqual(result.name, "seal")
      assert.isAtLeast(result.sizeBytes, 8 * 1024 * 1024)
      for (const figure of [result.mbPerSecPerCore, result.mbPerSec, result.peakRssMb]) assert.isAbove(figure, 1)
      assert.deepStrictEqual(result.ratios.map(({ tool }: { tool: string }) => tool), [
        "zstd -3",
        "openssl dgst -sha256"
      ])
      assert.strictEqual(result.ratio, result.ratios[0].ratio)
      assert.deepStrictEqual(readdirSync(directory), [])
    }), 60_000)

  it(
    "verify: holds the verifier against openssl on all cores, and measures the page",
    () =>
      withDirectory(async (directory) => {
        const { stdout } = await promisify(execFile)(process.execPath, [main, "verify", "--json", "--size", "8MiB"], {
          env: { ...process.env, TMPDIR: directory }
        })
        const { details } = JSON.parse(stdout)
        for (const figure of [details.ratioAllCores, details.pageMbPerSec, details.replayEntriesPerSec]) {
          assert.isAbove(figure, 0, stdout)
        }
        assert.deepStrictEqual(readdirSync(directory), [])
      }),
    300_000
  )

  it("explains a wrong command line and exits 2", () => {
    for (const argv of [[], ["nothing"], ["seal", "--size", "many"], ["seal", "--colour"]]) {
      const { status, stderr } = spawnSync(process.execPath, [main, ...argv], { encoding: "utf8" })
      assert.strictEqual(status, 2, stderr)
      assert.include(stderr, "usage: npm run bench")
    }
  })
})

describe("measuring", () => {
  it("counts the CPU time of the work, not of waiting", async () => {
    const busy = await measure(async () => {
      const end = performance.now() + 300
      let n = 0
      while (performance.now() < end) n++
      return n
    })
    const idle = await measure(() => new Promise((done) => setTimeout(done, 300)))
    assert.isAbove(busy.value, 0)
    assert.isAbove(busy.cpuSeconds, idle.cpuSeconds)
    assert.isAtLeast(idle.wallSeconds, 0.29)
    assert.isAbove(busy.peakRssMb, 20)
  })

  it("takes the CPU time of a tool, and says why when there is none", () =>
    withDirectory(async (directory) => {
      const file = join(directory, "data")
      writeFileSync(file, Buffer.alloc(1000))
      const busy = runTool(
        { name: "busy", argv: ["sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"] },
        file
      )
      assert.isAbove("cpuSeconds" in busy ? busy.cpuSeconds : 0, 0.01)
      assert.deepStrictEqual(runTool({ name: "x", argv: ["no-such-tool-here"] }, file), {
        reason: "no-such-tool-here is not installed"
      })
      assert.include(JSON.stringify(runTool({ name: "false", argv: ["false"] }, file)), "failed")
      assert.deepInclude(ratioTo({ name: "x", argv: ["no-such-tool-here"] }, file, 1), {
        ratio: null,
        reason: "no-such-tool-here is not installed"
      })
    }))
})

it("generated files have the size that was asked for and whole lines", () =>
  withDirectory(async (directory) => {
    const file = join(directory, "data")
    const { bytes, lines } = await writeGenerated(file, 3_000_000)
    assert.strictEqual(statSync(file).size, bytes)
    assert.isAtLeast(bytes, 3_000_000)
    assert.isAbove(lines, 500)
  }))

it("sizes are read as people write them", () => {
  assert.deepStrictEqual(["1GiB", "500MB", "4096", "1.5 KiB", "2KB"].map(parseSize), [
    1_073_741_824,
    500_000_000,
    4096,
    1536,
    2000
  ])
  assert.deepStrictEqual(["", "0", "-1", "1XB", "GiB", "1e3", "NaN"].map(parseSize), Array(7).fill(undefined))
})
