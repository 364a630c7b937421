/**
 * `npm run check`: types, Effect diagnostics, lint with the import rules, format, drift of generated files. Runs them
 * all and fails if any failed.
 */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { environment, install, root } from "./install.mjs"

const checks = [
  ["tsc", "-p", "tsconfig.json"],
  ["effect-tsgo", "diagnostics", "--project", "tsconfig.json", "--severity", "error,warning", "--strict"],
  ["oxlint"],
  ["dprint", "check"]
]

install()
const failed = checks.filter(([command, ...args]) => {
  process.stdout.write(`\n> ${command} ${args.join(" ")}\n`)
  const run = spawnSync(join(root, "node_modules", ".bin", command), args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: environment()
  })
  return run.status !== 0
})
process.stdout.write(
  failed.length === 0 ? "\nAll checks passed.\n" : `\nFailed: ${failed.map(([command]) => command).join(", ")}\n`
)
process.exit(failed.length === 0 ? 0 : 1)
