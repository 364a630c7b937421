/**
 * An archive of 120 days with every kind of entry, written into a directory.
 */
import { evidenceArchive } from "@rainlogs/verify/tampering/EvidenceArchive"
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

/** Writes the archive; answers its files. */
export const writeEvidence = async (directory: string): Promise<ReadonlyMap<string, Uint8Array>> => {
  const { files } = await evidenceArchive(120)
  for (const [key, bytes] of files) {
    mkdirSync(dirname(join(directory, key)), { recursive: true })
    writeFileSync(join(directory, key), bytes)
  }
  return files
}
