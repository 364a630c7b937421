/**
 * The keys that the ledgers of an archive name for themselves: a starting point for somebody who was given none. What
 * is verified with such a key is consistent at best.
 */
import type { ArchiveReader } from "./ArchiveReader.ts"
import { parseGenesis } from "./Genesis.ts"
import { ledgersPrefix } from "./Layout.ts"
import { MalformedError } from "./Malformed.ts"
import { parseNote } from "./Note.ts"
import type { VerifierKey } from "./VerifierKey.ts"

// A genesis is small: longer documents are something else.
const maxBytes = 65_536

/** The log keys of all genesis documents in the archive. */
export const genesisKey = async (reader: ArchiveReader): Promise<Array<VerifierKey>> => {
  const keys: Array<VerifierKey> = []
  for await (const file of reader.list(`${ledgersPrefix}/`)) {
    if (!file.key.includes("/event/") || file.size > maxBytes) continue
    const bytes = await reader.read(file.key)
    if (bytes === null) continue
    try {
      keys.push(parseGenesis(parseNote(bytes).text).log)
    } catch (error) {
      // Most documents are of another kind.
      if (!(error instanceof MalformedError)) throw error
    }
  }
  return keys
}
