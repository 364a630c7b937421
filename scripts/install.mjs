/**
 * Installs the pinned dependencies if they are not there yet. Runs on the plain Node (20 or later) and npm of a fresh
 * machine, so it uses nothing but Node's own modules. All output of npm goes to stderr: stdout belongs to the caller.
 */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

/** The repository's root directory. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)))

const modules = join(root, "node_modules")
const marker = join(modules, ".rainlogs-installed")
/** There while npm works, and after it was killed; holds the id of the process that installs. */
const unfinished = join(modules, ".rainlogs-installing")
const fingerprint = () =>
  createHash("sha256").update(readFileSync(join(root, "package-lock.json"))).update(process.platform).digest("hex")

const say = (text) => process.stderr.write(`${text}\n`)

const isInstalled = (wanted) => existsSync(marker) && readFileSync(marker, "utf8") === wanted

const isAlive = (pid) => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === "EPERM"
  }
}

/** The id of the process that installs, or was killed while it did (0 if it is not known); undefined if there is none. */
const installer = () => {
  try {
    return Number(readFileSync(unfinished, "utf8"))
  } catch {
    return undefined
  }
}

/** Claims the tree for this process: waits for another that installs, and clears away what a killed npm left. */
const claim = () => {
  mkdirSync(modules, { recursive: true })
  for (let claimed = false; !claimed;) {
    const pid = installer()
    if (pid && isAlive(pid)) {
      say(`Waiting for process ${pid}, which installs the dependencies; if it does not, delete ${unfinished}`)
      while (installer() === pid && isAlive(pid)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    } else if (pid !== undefined) {
      // npm cannot mend a tree in which it was killed: it fails on folders that are only half there.
      say("An earlier installation was interrupted; starting it over.")
      rmSync(modules, { recursive: true, force: true })
      mkdirSync(modules, { recursive: true })
    }
    try {
      writeFileSync(unfinished, String(process.pid), { flag: "wx" })
      claimed = true
    } catch (error) {
      if (error.code !== "EEXIST") throw error
    }
  }
}

/**
 * Runs `npm install` on the lockfile unless the installed tree is that of this lockfile; exits with npm's status if it fails.
 * Not `npm ci`: a lockfile written on one platform may lack the optional binaries of others, which `ci` refuses.
 */
export const install = () => {
  const wanted = fingerprint()
  if (isInstalled(wanted) && !existsSync(unfinished)) return
  if (Number(process.versions.node.split(".")[0]) < 20) {
    say(`Rainlogs needs Node.js 20 or later to install itself; this is ${process.version} (${process.execPath}).`)
    process.exit(1)
  }
  claim()
  if (isInstalled(wanted)) return rmSync(unfinished, { force: true })
  say("Installing the pinned dependencies (once)…")
  const npm = spawnSync("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2]
  })
  if (npm.status === 0) writeFileSync(marker, wanted)
  // After an error of its own npm has put the tree back; after a signal it has not, and the file stays.
  if (npm.signal === null && (npm.status ?? 0) < 128) rmSync(unfinished, { force: true })
  if (npm.error !== undefined) {
    say(`npm could not be started: ${npm.error.message}. Install Node.js 20 or later with npm.`)
    process.exit(1)
  }
  if (npm.status !== 0) {
    say(
      "npm install failed; nothing was started. Its message is above. If it is about the network, check the connection, " +
        "the proxy (npm config get proxy) and the registry (npm config get registry), then run the same command again."
    )
    process.exit(npm.status ?? 1)
  }
}

/**
 * The environment in which tools of this repository run: its own `node`, `bun` and others come first on the PATH, and
 * Node keeps what it compiled, which halves the time in which a command starts.
 */
export const environment = () => ({
  NODE_COMPILE_CACHE: join(modules, ".cache", "node"),
  ...process.env,
  PATH: `${join(modules, ".bin")}:${process.env.PATH}`
})
