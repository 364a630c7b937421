/**
 * Makes a bundle into a file (Node, Bun, Deno). The file appears under its name only when it is whole and on the disk.
 */
import { open, rename, rm } from "node:fs/promises"
import { dirname } from "node:path"
import type { ArchiveReader } from "../ArchiveReader.ts"
import type { BundleInput, BundleProgress, BundleRequest, BundleSummary } from "../bundle/BundleRequest.ts"
import { planBundle } from "../bundle/PlanBundle.ts"
import { bundleBytes } from "../bundle/WriteBundle.ts"
import * as Hex from "../Hex.ts"
import { abortableReader, orAborted, untilAborted } from "./AbortableReader.ts"
import { newHash } from "./BundleFile.ts"

/** Where the bundle comes from and goes to. */
export interface BundleFileRequest extends BundleRequest {
  readonly reader: ArchiveReader
  /** The bytes of a stored object. */
  readonly stream: BundleInput["stream"]
  readonly out: string
  /** The name of the growing file, in the directory of `out`; nothing may be there. */
  readonly temporary: string
  readonly dataKey?: BundleInput["dataKey"]
  /** Told of the first pass. */
  readonly onProgress?: BundleProgress
  /** Told the size of the file in bytes before the first byte is written; a rejection ends it there. */
  readonly onPlanned?: (bytes: number) => Promise<void>
  /** Told how many bytes of the file are written. */
  readonly onWritten?: (bytes: number) => void
  /** Ends it early; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/** A written file: what it holds, and its SHA-256 (hex). */
export interface BundleFileSummary extends BundleSummary {
  readonly sha256: string
}

/** The file cannot be written; `errno` is the system's name of the reason, if it has one. */
export class BundleOutputError extends Error {
  override readonly name = "BundleOutputError"
  readonly errno: string | undefined

  constructor(path: string, cause: unknown) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined
    const reason = cause instanceof Error ? cause.message : String(cause)
    super(`${path} cannot be written: ${reason}; free space or write elsewhere`, { cause })
    this.errno = typeof code === "string" ? code : undefined
  }
}

/** Bytes gathered before they are written: the file has two small pieces for each ledger file. */
const blockBytes = 1024 * 1024

/**
 * Writes the bundle; rejects with `BundleRequestError`, `BundleOutputError` or what the reader failed with, and leaves
 * no half file behind.
 */
export const writeBundleFile = async (request: BundleFileRequest): Promise<BundleFileSummary> => {
  const { onPlanned, onProgress, onWritten, out, signal, temporary } = request
  const writing = <A>(run: () => Promise<A>): Promise<A> =>
    run().catch((cause: unknown) => {
      throw new BundleOutputError(out, cause)
    })
  const plan = await planBundle(inputOf(request), request, (done) => {
    signal?.throwIfAborted()
    onProgress?.(done)
  })
  await onPlanned?.(plan.bytes)
  const hash = newHash()
  const file = await writing(() => open(temporary, "wx", 0o600))
  try {
    let [written, waiting, held]: [number, Array<Uint8Array>, number] = [0, [], 0]
    const flush = async () => {
      // Bytes are in their place whatever a single call wrote: writeFile on a handle goes on from where it is.
      await writing(() => file.writeFile(Buffer.concat(waiting, held)))
      written += held
      waiting = []
      held = 0
      onWritten?.(written)
    }
    for await (const chunk of bundleBytes(plan)) {
      signal?.throwIfAborted()
      hash.update(chunk)
      waiting.push(chunk)
      held += chunk.length
      if (held >= blockBytes) await flush()
    }
    await flush()
    await writing(async () => {
      await file.sync()
      await file.close()
      await rename(temporary, out)
      await syncDirectory(dirname(out))
    })
    const sha256 = Hex.encode(await hash.digest())
    return { size: plan.size, objects: plan.objects, bytes: plan.bytes, sha256 }
  } catch (error) {
    await file.close().catch(() => undefined)
    await rm(temporary, { force: true })
    throw error
  }
}

const inputOf = ({ dataKey, reader, signal, stream }: BundleFileRequest): BundleInput => {
  if (signal === undefined) return { reader, stream, newHash, ...dataKey === undefined ? {} : { dataKey } }
  return {
    reader: abortableReader(signal, reader),
    stream: (key) => untilAborted(signal, stream(key)),
    newHash,
    ...dataKey === undefined ? {} : { dataKey: (entry) => orAborted(signal, dataKey(entry)) }
  }
}

const syncDirectory = async (path: string): Promise<void> => {
  const directory = await open(path, "r")
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
