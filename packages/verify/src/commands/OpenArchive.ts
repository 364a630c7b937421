/**
 * Opens what a command line names as an archive.
 */
import type { ArchiveReader } from "../ArchiveReader.ts"
import { openDirectory } from "../node/DirectoryReader.ts"
import type { VerifyOptions } from "../VerifyArchive.ts"

/** An opened archive, and what opening it adds to the options of a verification. */
export interface OpenedArchive {
  readonly reader: ArchiveReader
  readonly options: Pick<VerifyOptions, "disclosure" | "scope">
}

/** Opens a directory. */
export const openArchive = async (target: string): Promise<OpenedArchive> => ({
  reader: await openDirectory(target),
  options: {}
})
