/**
 * `npm run build`: makes `dist/rainlogs`, one executable with the runtime, the program and PostgreSQL inside.
 * `--packages` builds the npm packages as well.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { environment, install, root } from "./install.mjs"

const bin = (name) => join(root, "node_modules", ".bin", name)

const run = (command, args) => {
  const result = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], env: environment() })
  if (result.status === 0) return
  process.stderr.write(`${command} ${args.join(" ")} failed (${result.error?.message ?? result.status}).\n`)
  process.exit(1)
}

install()
const assets = join(root, "dist", "assets")
mkdirSync(assets, { recursive: true })
run(bin("bun"), ["scripts/pack-postgres.ts"])
const outfile = join(root, "dist", "rainlogs")
run(bin("bun"), [
  "build",
  "--compile",
  "--minify",
  "--bytecode",
  "--format=esm",
  // A stray .env or bunfig.toml in the working directory must not change what the program does.
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
  "appliance/src/binary.ts",
  "--outfile",
  outfile
])
process.stdout.write(`${outfile}: ${(statSync(outfile).size / 1e6).toFixed(0)} MB\n`)
if (process.argv.includes("--packages")) run(process.execPath, ["scripts/build-packages.mjs"])
