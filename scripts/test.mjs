/**
 * `npm test`: installs what is missing and runs every test on the pinned Node. Arguments after `--` go to Vitest, for
 * instance a file name or `-t "part of a test's name"`.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { environment, install, root } from "./install.mjs"

install()
const results = join(mkdtempSync(join(tmpdir(), "rainlogs-test-")), "results.json")
const run = spawnSync(
  join(root, "node_modules", ".bin", "vitest"),
  ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${results}`, ...process.argv.slice(2)],
  { cwd: root, stdio: ["ignore", "inherit", "inherit"], env: environment() }
)
let summary
try {
  summary = JSON.parse(readFileSync(results, "utf8"))
} catch {
  process.stderr.write("The test runner ended without a result; its message is above.\n")
  process.exit(run.status || 1)
} finally {
  rmSync(join(results, ".."), { recursive: true, force: true })
}
const { numFailedTests, numFailedTestSuites, numPassedTests } = summary
process.stdout.write(`${numPassedTests} passed, ${numFailedTests} failed\n`)
// A suite that could not even load has failed without a failed test.
process.exit(run.status || (numFailedTestSuites > 0 || numPassedTests === 0 ? 1 : 0))
