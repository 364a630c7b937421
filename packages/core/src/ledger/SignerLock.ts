/**
 * One process per signer directory: two signers with one key and two states could sign two histories. The lock is a
 * file that names its holder. A holder that is dead is replaced; one that cannot be judged (another host or container
 * on a shared volume) counts as dead when it has not touched the file for {@link foreignLeaseMs}.
 */
import { randomUUID } from "node:crypto"
import * as fs from "node:fs/promises"
import { hostname } from "node:os"
import { dirname } from "node:path"
import { readIfPresent, syncDirectory, writeTemporary } from "../storage/DurableFile.ts"
import { isErrno } from "../storage/FileFailure.ts"
import { isKnown } from "../storage/ProcessLiveness.ts"

/** How long an untouched lock of another host or container is respected, ms. */
export const foreignLeaseMs = 30_000

/** The directory is in use. `foreign` says that the holder runs elsewhere, so waiting may help. */
export class LockHeld extends Error {
  override readonly name = "LockHeld"
  readonly foreign: boolean
  constructor(path: string, holder: string, foreign: boolean) {
    super(`${path} is held by ${holder}; only one process may use a signer directory`)
    this.foreign = foreign
  }
}

/** A lock that is held. */
export interface SignerLock {
  /** Tells other hosts that the holder lives; call it every few seconds. */
  readonly touch: () => Promise<void>
  /** Whether the file still names this holder: false once another process took it over. */
  readonly isHeld: () => Promise<boolean>
  /** Gives the directory back. */
  readonly release: () => Promise<void>
}

interface Holder {
  /** Unique to this acquisition. */
  readonly token: string
  /** Host, boot and process-id namespace: process ids compare only within one. */
  readonly place: string
  readonly pid: number
  /** Start of the process in clock ticks since boot, or "" where the system does not tell: process ids are reused. */
  readonly started: string
}

const readText = async (path: string): Promise<string> => {
  try {
    return (await fs.readFile(path, "utf8")).trim()
  } catch {
    // Only Linux has these files; elsewhere the host name and the process id must do.
    return ""
  }
}

const startOf = async (pid: number): Promise<string> => {
  const stat = await readText(`/proc/${pid}/stat`)
  // The command name (field 2) may hold spaces and brackets; start time is field 22.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? ""
}

const thisHolder = async (): Promise<Holder> => {
  const boot = await readText("/proc/sys/kernel/random/boot_id")
  const namespace = await fs.readlink("/proc/self/ns/pid").catch(() => "")
  const place = `${hostname()}/${boot}/${namespace}`.replaceAll(/\s/g, "_")
  return { token: randomUUID(), place, pid: process.pid, started: await startOf(process.pid) }
}

const print = (holder: Holder): Uint8Array => new TextEncoder().encode(`${JSON.stringify(holder)}\n`)

const parse = (bytes: Uint8Array): Holder | null => {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    if (typeof value !== "object" || value === null) return null
    const { token, place, pid, started } = value as { [name: string]: unknown }
    return typeof token === "string" && /^[0-9a-f-]{36}$/.test(token) && typeof place === "string" &&
        typeof pid === "number" && typeof started === "string"
      ? { token, place, pid, started }
      : null
  } catch {
    return null
  }
}

const isStale = async (path: string, holder: Holder, self: Holder): Promise<boolean> => {
  if (holder.place === self.place) {
    return !isKnown(holder.pid) || (holder.started !== "" && await startOf(holder.pid) !== holder.started)
  }
  const { mtimeMs } = await fs.stat(path)
  return Date.now() - mtimeMs > foreignLeaseMs
}

// Creates the file with its content in one step; false if it exists.
const create = async (path: string, self: Holder): Promise<boolean> => {
  const temporary = await writeTemporary(path, print(self))
  try {
    await fs.link(temporary, path)
    return true
  } catch (error) {
    if (isErrno(error, "EEXIST")) return false
    throw error
  } finally {
    await fs.rm(temporary, { force: true })
  }
}

/*
 * Taking over the lock of a dead holder needs the right to do so, which is itself such a lock, named after the dead
 * holder's token: of all processes that saw the same dead holder one wins. Having won, it must find that holder still
 * in place, for the right may have been won, used and given back by another process since.
 */
const acquire = async (path: string, self: Holder): Promise<void> => {
  for (;;) {
    if (await create(path, self)) return
    const bytes = await readIfPresent(path)
    if (bytes === null) continue
    const holder = parse(bytes)
    if (holder === null) {
      throw new LockHeld(path, "an unreadable lock file (remove it when no other process uses the directory)", false)
    }
    if (!await isStale(path, holder, self)) {
      throw new LockHeld(path, `process ${holder.pid} on ${holder.place}`, holder.place !== self.place)
    }
    const right = `${path}.${holder.token}`
    await acquire(right, self)
    try {
      const again = await readIfPresent(path)
      if (again === null || parse(again)?.token !== holder.token) continue
      await fs.rename(await writeTemporary(path, print(self)), path)
      return
    } finally {
      await fs.rm(right, { force: true })
    }
  }
}

/** Takes the lock file at `path` or throws {@link LockHeld}. */
export const lock = async (path: string): Promise<SignerLock> => {
  const self = await thisHolder()
  await acquire(path, self)
  await syncDirectory(dirname(path))
  const isHeld = async (): Promise<boolean> => {
    const bytes = await readIfPresent(path)
    return bytes !== null && parse(bytes)?.token === self.token
  }
  return {
    touch: async () => {
      const now = new Date()
      await fs.utimes(path, now, now)
    },
    isHeld,
    release: async () => {
      if (await isHeld()) await fs.rm(path, { force: true })
    }
  }
}
