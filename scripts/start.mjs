/**
 * `npm start`: installs what is missing and runs `rainlogs demo` with the arguments given after `--`.
 */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { environment, install, root } from "./install.mjs"

install()
const child = spawn(
  join(root, "node_modules", ".bin", "bun"),
  [join(root, "appliance", "src", "main.ts"), "demo", ...process.argv.slice(2)],
  { stdio: "inherit", env: environment() }
)
// The terminal sends Ctrl-C to the whole group; a supervisor signals only us.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal))
child.on("error", (error) => {
  process.stderr.write(`rainlogs could not be started: ${error.message}\n`)
  process.exit(1)
})
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)))
