/**
 * `rainlogs-anchored/v1` (ledger format §6): says which checkpoint was anchored where, chained back into the ledger. The
 * receipt itself lies at `anchor/<size>/<anchor-id>.<extension>`.
 */
import { encode } from "./Ascii.ts"
import * as Field from "./Field.ts"
import { joinLines, Lines } from "./Lines.ts"
import { MalformedError } from "./Malformed.ts"

const format = "rainlogs-anchored/v1"

/** Kinds of anchor. */
export const anchorTypes = ["rfc3161", "witness", "bucket", "webhook"] as const
/** One of {@link anchorTypes}. */
export type AnchorType = typeof anchorTypes[number]

/** Extension of the receipt file of each kind. */
export const anchorExtensions: Readonly<Record<AnchorType, "tsr" | "cosig" | "json">> = {
  rfc3161: "tsr",
  witness: "cosig",
  bucket: "json",
  webhook: "json"
}

/** One anchored checkpoint; hashes in lower-case hex. */
export interface Anchored {
  readonly origin: string
  /** Name of the anchor: 1 to 64 of `a-z`, `0-9` and `-`. */
  readonly anchor: string
  readonly type: AnchorType
  /** Tree size of the checkpoint. */
  readonly size: number
  readonly root: string
  /** SHA-256 of the bytes of `checkpoint.d/<size>`, which are what was stamped. */
  readonly checkpoint: string
  /** SHA-256 of the bytes of the receipt file. */
  readonly receipt: string
  /** The time the receipt states, ms. */
  readonly time: number
}

/** The name of an anchor; throws {@link MalformedError}. */
export const anchorId = (name: string, text: string): string => {
  if (!/^[a-z0-9-]{1,64}$/.test(text)) {
    throw new MalformedError(name, `"${text}" is not an anchor name of 1 to 64 of a-z, 0-9 and "-"`)
  }
  return text
}

/** Path of a receipt, relative to the ledger's directory. */
export const receiptPath = (anchored: Pick<Anchored, "anchor" | "size" | "type">): string =>
  `anchor/${anchored.size}/${anchored.anchor}.${anchorExtensions[anchored.type]}`

const receiptOnly = /^anchor\/(0|[1-9][0-9]{0,15})\/([a-z0-9-]{1,64})\.(tsr|cosig|json)$/

/** Where a receipt file stands. */
export interface ReceiptPath {
  readonly size: number
  readonly anchor: string
  readonly extension: "tsr" | "cosig" | "json"
}

/** Reads a path relative to the ledger's directory; null when it is not that of a receipt. */
export const parseReceiptPath = (path: string): ReceiptPath | null => {
  const [, size = "", anchor = "", extension] = receiptOnly.exec(path) ?? []
  if (extension !== "tsr" && extension !== "cosig" && extension !== "json") return null
  return Number.isSafeInteger(Number(size)) ? { size: Number(size), anchor, extension } : null
}

/** The document. */
export const printAnchored = (anchored: Anchored): string => {
  const text = joinLines([
    format,
    `origin ${Field.origin(format, anchored.origin)}`,
    `anchor ${anchorId(format, anchored.anchor)}`,
    `type ${Field.oneOf(format, anchorTypes, anchored.type)}`,
    `size ${Field.count(format, anchored.size)}`,
    `root ${Field.hash(format, anchored.root)}`,
    `checkpoint ${Field.hash(format, anchored.checkpoint)}`,
    `receipt ${Field.hash(format, anchored.receipt)}`,
    `time ${Field.count(format, anchored.time)}`
  ])
  encode(text, format)
  return text
}

/** Reads the document; throws {@link MalformedError}. */
export const parseAnchored = (text: string): Anchored => {
  encode(text, format)
  const lines = new Lines(format, text)
  const anchored = {
    origin: lines.field("origin", Field.origin),
    anchor: lines.field("anchor", anchorId),
    type: lines.field("type", (_, word) => Field.oneOf(format, anchorTypes, word)),
    size: lines.field("size", Field.parseCount),
    root: lines.field("root", Field.hash),
    checkpoint: lines.field("checkpoint", Field.hash),
    receipt: lines.field("receipt", Field.hash),
    time: lines.field("time", Field.parseCount)
  }
  lines.end()
  return anchored
}
