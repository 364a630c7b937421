/**
 * `npm run torture`: installs what is missing and runs `appliance/torture/main.ts` with the arguments given after `--`.
 */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { environment, install, root } from "./install.mjs"

install()
const child = spawn(join(root, "node_modules", ".bin", "node"), [
  join(root, "appliance/torture/main.ts"),
  ...process.argv.slice(2)
], {
  stdio: "inherit",
  env: environment()
})
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal))
child.on("exit", (code) => process.exit(code ?? 1))
