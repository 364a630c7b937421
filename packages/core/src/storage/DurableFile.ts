/**
 * Small files that survive a crash: written whole to a temporary name, fsynced, renamed into place, and the directory
 * fsynced, so a reader sees the old bytes or the new ones and never a part of them.
 */
import { randomUUID } from "node:crypto"
import * as fs from "node:fs/promises"
import { dirname } from "node:path"
import { isErrno } from "./FileFailure.ts"

/** Makes a rename or link in the directory durable. */
export const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await fs.open(directory, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Writes and fsyncs a new file beside `path`, readable by its owner only; answers its name. */
export const writeTemporary = async (path: string, bytes: Uint8Array): Promise<string> => {
  const temporary = `${path}.${randomUUID()}.tmp`
  const handle = await fs.open(temporary, "wx", 0o600)
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } catch (error) {
    await fs.rm(temporary, { force: true })
    throw error
  } finally {
    await handle.close()
  }
  return temporary
}

/** Replaces or creates the file, mode 0600; durable when the promise resolves. */
export const writeDurably = async (path: string, bytes: Uint8Array): Promise<void> => {
  const temporary = await writeTemporary(path, bytes)
  try {
    await fs.rename(temporary, path)
  } catch (error) {
    await fs.rm(temporary, { force: true })
    throw error
  }
  await syncDirectory(dirname(path))
}

/** Creates the file, mode 0600, and never replaces one; durable when the promise resolves. False if there is one. */
export const createDurably = async (path: string, bytes: Uint8Array): Promise<boolean> => {
  const temporary = await writeTemporary(path, bytes)
  try {
    await fs.link(temporary, path)
  } catch (error) {
    if (isErrno(error, "EEXIST")) return false
    throw error
  } finally {
    await fs.rm(temporary, { force: true })
  }
  await syncDirectory(dirname(path))
  return true
}

/** The file's bytes, or null if there is no such file. */
export const readIfPresent = async (path: string): Promise<Uint8Array | null> => {
  try {
    return new Uint8Array(await fs.readFile(path))
  } catch (error) {
    if (isErrno(error, "ENOENT")) return null
    throw error
  }
}

/** Whether a file call failed because there is no such file. */
export const isAbsent = (cause: unknown): boolean => isErrno(cause, "ENOENT")

/** Appends to the file, mode 0600 if it is new; durable when the promise resolves. */
export const appendDurably = async (path: string, bytes: Uint8Array): Promise<void> => {
  const handle = await fs.open(path, "a", 0o600)
  try {
    await handle.appendFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await syncDirectory(dirname(path))
}
