/**
 * Makes one evidence bundle into a file: the one way for the command and for the jobs of the API, so that both give the
 * same bytes. Memory does not grow with the objects; the file appears under its name when it is whole and on the disk.
 */
import type { ArchiveReader } from "@rainlogs/verify/ArchiveReader"
import type { BundleInput, BundleProgress, BundleRequest } from "@rainlogs/verify/bundle/BundleRequest"
import { type BundleFileSummary, writeBundleFile } from "@rainlogs/verify/node/BundleOutput"
import { Effect, Option, Redacted } from "effect"
import { rm, statfs } from "node:fs/promises"
import { dirname } from "node:path"
import { discloseDataKey } from "../archive/DataKeyDisclosure.ts"
import type { Kms } from "../secrets/Kms.ts"
import { BundleFailure, failureOf } from "./BundleFailure.ts"

/** An archive that can be bundled: a directory's reader, or `ObjectStoreReader`. */
export interface BundleSource extends ArchiveReader {
  readonly stream: BundleInput["stream"]
}

/** The bundle to make. */
export interface BundleOrder extends BundleRequest {
  readonly source: BundleSource
  /** The key service whose data keys go into the bundle; none discloses nothing. */
  readonly disclose: Option.Option<Kms["Service"]>
  readonly out: string
  /** The name of the growing file, beside `out`; an earlier attempt's file of this name is removed. */
  readonly temporary: string
  /** Bytes that must stay free on the disk, for the archive's own work. */
  readonly reservedBytes: number
  readonly onProgress?: BundleProgress
  readonly onWritten?: (bytes: number) => void
}

/**
 * Bundles with more objects are refused: 30 000 were made in 229 MB of memory and verified in 234 MB (bench/README.md).
 * A year of hourly windows is 8 784, 104 days of five-minute windows are 30 000.
 */
export const mostObjects = 30_000

/** Makes the bundle. Interruption waits until the half file is gone. */
export const makeBundle = Effect.fn("makeBundle")(function*(
  order: BundleOrder
): Effect.fn.Return<BundleFileSummary, BundleFailure> {
  const { chain, disclose, from, onProgress, onWritten, origin, out, reservedBytes, source, temporary, to } = order
  const runPromise = Effect.runPromiseWith(yield* Effect.context<never>())
  const dataKey: BundleInput["dataKey"] = Option.isNone(disclose) ? undefined : async (entry) => {
    const key = await runPromise(discloseDataKey(disclose.value, source.read, entry))
    return Option.isSome(key) ? Redacted.value(key.value) : null
  }
  const write = async (signal: AbortSignal): Promise<BundleFileSummary> => {
    // Whoever may write it now has the right to: what is there is of an attempt that was killed.
    await rm(temporary, { force: true }).catch(() => undefined)
    return writeBundleFile({
      origin,
      chain,
      from,
      to,
      mostObjects: order.mostObjects ?? mostObjects,
      reader: source,
      stream: source.stream,
      out,
      temporary,
      signal,
      onPlanned: (bytes) => demandRoom(out, bytes, reservedBytes),
      ...dataKey === undefined ? {} : { dataKey },
      ...onProgress === undefined ? {} : { onProgress },
      ...onWritten === undefined ? {} : { onWritten }
    })
  }
  return yield* Effect.callback<BundleFileSummary, BundleFailure>((resume, signal) => {
    const ended = write(signal).then(
      (summary) => resume(Effect.succeed(summary)),
      (cause: unknown) => resume(Effect.fail(failureOf(cause)))
    )
    return Effect.promise(() => ended)
  })
})

/** Fails before the first byte is written when the whole file does not fit. */
const demandRoom = async (out: string, bytes: number, reservedBytes: number): Promise<void> => {
  const { bavail, bsize } = await statfs(dirname(out)).catch((cause: unknown) => {
    throw new BundleFailure({ code: "folder-unusable", detail: "The folder of the bundle cannot be read.", cause })
  })
  const free = bavail * bsize
  if (bytes + reservedBytes <= free) return
  const kept = reservedBytes === 0 ? "" : `, of which ${reservedBytes} are kept for the archive`
  throw new BundleFailure({
    code: "disk-full",
    detail: `The bundle is ${bytes} bytes, and the disk has ${free} bytes free${kept}.`
  })
}
