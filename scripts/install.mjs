/**
 * Installs the pinned dependencies if they are not there yet. Runs on the plain Node (20 or later) and npm of a fresh
 * machine, so it uses nothing but Node's own modules. All output of npm goes to stderr: stdout belongs to the caller.
 */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

const marker = join(root, "node_modules", ".rainlogs-installed")
const fingerprint = () =>
  createHash("sha256").update(readFileSync(join(root, "package-lock.json"))).update(process.platform).digest("hex")

/**
 * Runs `npm install` on the lockfile unless the installed tree is that of this lockfile; exits with npm's status if it fails.
 * Not `npm ci`: a lockfile written on one platform may lack the optional binaries of others, which `ci` refuses.
 */
export const install = () => {
  const wanted = fingerprint()
  if (existsSync(marker) && readFileSync(marker, "utf8") === wanted) return
  process.stderr.write("Installing the pinned dependencies (once)…\n")
  // npm is npm.cmd on Windows; everywhere else it is on the PATH that started us.
  const npm = spawnSync("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2]
  })
  if (npm.error !== undefined) {
    process.stderr.write(`npm could not be started: ${npm.error.message}. Install Node.js 20 or later with npm.\n`)
    process.exit(1)
  }
  if (npm.status !== 0) {
    process.stderr.write("npm install failed; nothing was started. Its message is above.\n")
    process.exit(npm.status ?? 1)
  }
  writeFileSync(marker, wanted)
}

/** The environment in which tools of this repository run: its own `node`, `bun` and others come first on the PATH. */
export const environment = () => ({ ...process.env, PATH: `${join(root, "node_modules", ".bin")}:${process.env.PATH}` })
