/**
 * Where everything lies in the archive (ledger format §3, §4): the ledger below `integrity/v1/<hash of the origin>/`,
 * the log objects below `logs/`.
 */
import { encode } from "./Ascii.ts"
import type { Codec } from "./Entry.ts"
import { sha256 } from "./Hash.ts"
import { encode as hex } from "./Hex.ts"

/** The directory that holds one ledger directory per origin. */
export const ledgersPrefix = "integrity/v1"

/** What an origin is called in names of files: hex SHA-256 of it. */
export const originHash = (origin: string): string => hex(sha256(encode(origin)))

/** The ledger directory of an origin: `integrity/v1/<hex SHA256(origin)>`, without a trailing slash. */
export const ledgerPrefix = (origin: string): string => `${ledgersPrefix}/${originHash(origin)}`

/** A path below the ledger directory of an origin. */
export const ledgerKey = (origin: string, relativePath: string): string => `${ledgerPrefix(origin)}/${relativePath}`

/** The latest served checkpoint of an origin. */
export const checkpointKey = (origin: string): string => ledgerKey(origin, "checkpoint")

/** Relative path of the immutable checkpoint of a tree size: `checkpoint.d/<20 digits>`. */
export const checkpointArchivePath = (size: number): string => `checkpoint.d/${String(size).padStart(20, "0")}`

/** The tree size of a path that {@link checkpointArchivePath} prints; null for any other. */
export const parseCheckpointArchivePath = (path: string): number | null => {
  const size = Number(/^checkpoint\.d\/([0-9]{20})$/.exec(path)?.[1] ?? Number.NaN)
  return Number.isSafeInteger(size) ? size : null
}

/** The immutable checkpoint of an origin at a tree size; what anchors stamp. */
export const checkpointArchiveKey = (origin: string, size: number): string =>
  ledgerKey(origin, checkpointArchivePath(size))

/** Relative path of a document: `event/<sha256 hex>`. */
export const eventPath = (sha256Hex: string): string => `event/${sha256Hex}`

/** The hash of a path that {@link eventPath} prints; null for any other. */
export const parseEventPath = (path: string): string | null => /^event\/([0-9a-f]{64})$/.exec(path)?.[1] ?? null

const extension: Record<Codec, string> = { identity: "", gzip: ".gz", zstd: ".zst" }

/**
 * The key of a log object, relative to the archive's root:
 * `logs/<chain>/<YYYY>/<MM>/<DD>/<HH>/<job>-<first 16 hex of object>.ndjson[.gz|.zst]`, in UTC of the window's start
 * (ms). Throws a RangeError when the start is beyond the years a date can have.
 */
export const objectKey = (object: {
  readonly chain: string
  readonly windowFrom: number
  readonly job: string
  readonly object: string
  readonly codec: Codec
}): string => {
  const [date = "", time = ""] = new Date(object.windowFrom).toISOString().split("T")
  const hour = `${date.replaceAll("-", "/")}/${time.slice(0, 2)}`
  return `logs/${object.chain}/${hour}/${object.job}-${object.object.slice(0, 16)}.ndjson${extension[object.codec]}`
}
