/**
 * Opens what a command line names as an archive: a directory, a bundle file, or the URL of a live ledger.
 */
import { stat } from "node:fs/promises"
import type { ArchiveReader } from "../ArchiveReader.ts"
import { openBundle } from "../bundle/OpenBundle.ts"
import { type HttpProgress, openHttp } from "../HttpReader.ts"
import { newHash, withBundleFile } from "../node/BundleFile.ts"
import { openDirectory } from "../node/DirectoryReader.ts"
import type { VerifyOptions } from "../VerifyArchive.ts"

/** An opened archive. */
export interface OpenedArchive {
  readonly reader: ArchiveReader
  /** What opening it adds to the options of a verification. */
  readonly options: Pick<VerifyOptions, "disclosure" | "scope">
  /** A line for a person about what was opened; null where there is nothing to say. */
  readonly about: string | null
  /** What is left to check once everything was read. */
  readonly finish: () => Promise<void>
}

const isFile = async (path: string): Promise<boolean> => {
  try {
    return (await stat(path)).isFile()
  } catch {
    // The directory reader says what is wrong with the name.
    return false
  }
}

const time = (ms: number): string => new Date(Math.min(ms, 8.64e15)).toISOString().replace(".000Z", "Z")

const isUrl = (target: string): boolean => /^https?:\/\//i.test(target)

/**
 * Runs `use` with the archive; `onDownload` is told how far the download of a live ledger has come. Rejects with
 * `MalformedBundleError` for a file that is no bundle.
 */
export const withArchive = async <Value>(
  target: string,
  use: (opened: OpenedArchive) => Promise<Value>,
  onDownload: (progress: HttpProgress) => void = () => {}
): Promise<Value> => {
  if (isUrl(target)) {
    return use({
      reader: await openHttp(target, { onProgress: onDownload }),
      options: { scope: "no-objects" },
      about: null,
      finish: () => Promise.resolve()
    })
  }
  if (!await isFile(target)) {
    return use({ reader: await openDirectory(target), options: {}, about: null, finish: () => Promise.resolve() })
  }
  return withBundleFile(target, async (source) => {
    const { checkRest, disclosure, members, reader, scope } = await openBundle(source, newHash)
    const { chain, from, to } = scope
    const disclosed = disclosure === null ? "" : `, ${disclosure.keys.size} data keys disclosed`
    return use({
      reader,
      options: { scope: { chain, from, to }, ...disclosure === null ? {} : { disclosure } },
      about: `Bundle  ${members} members; objects of ${chain}, ${time(from)} to ${time(to)}${disclosed}`,
      finish: checkRest
    })
  })
}
