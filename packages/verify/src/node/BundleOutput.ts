/**
 * Makes a bundle from an archive directory into a file (Node, Bun, Deno). The file appears under its name only when it
 * is whole and on the disk.
 */
import { createReadStream } from "node:fs"
import { open, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import type { ArchiveReader } from "../ArchiveReader.ts"
import {
  type BundleInput,
  type BundleProgress,
  type BundleRequest,
  type BundleSummary,
  writeBundle
} from "../bundle/WriteBundle.ts"
import { newHash } from "./BundleFile.ts"

/** Where the bundle comes from and goes to. */
export interface BundleFileRequest extends BundleRequest {
  readonly reader: ArchiveReader
  /** The directory that the reader reads. */
  readonly directory: string
  readonly out: string
  readonly dataKey?: BundleInput["dataKey"]
  readonly onProgress?: BundleProgress
}

/** Writes the bundle; rejects with `BundleRequestError` or the system's error, and leaves no half file behind. */
export const writeBundleFile = async (request: BundleFileRequest): Promise<BundleSummary> => {
  const { dataKey, directory, out, reader } = request
  const input: BundleInput = {
    reader,
    // The key was listed by the reader, so it lies inside the directory.
    stream: (key) => createReadStream(join(directory, key)),
    newHash,
    ...dataKey === undefined ? {} : { dataKey }
  }
  const temporary = `${out}.part`
  const file = await open(temporary, "w", 0o600)
  try {
    const chunks = writeBundle(input, request, request.onProgress)
    let step = await chunks.next()
    while (step.done !== true) {
      await file.writeFile(step.value)
      step = await chunks.next()
    }
    await file.sync()
    await file.close()
    await rename(temporary, out)
    return step.value
  } catch (error) {
    await file.close().catch(() => undefined)
    await rm(temporary, { force: true })
    throw error
  }
}
