/**
 * `rainlogs-heartbeat/v1` (ledger format §5): once per epoch, the size of the tree before it and the head of every
 * chain.
 */
import { encode } from "./Ascii.ts"
import * as Field from "./Field.ts"
import { joinLines, Lines } from "./Lines.ts"

const format = "rainlogs-heartbeat/v1"

/** Where a chain stands: the seq its next entry will have, and its last chain hash (hex). */
export interface ChainHead {
  readonly chain: string
  readonly nextSeq: number
  readonly hash: string
}

/** The statement of one epoch. */
export interface Heartbeat {
  readonly origin: string
  /** `floor(Unix ms / epoch length)` of the epoch that has ended. */
  readonly epoch: number
  /** Leaves before this heartbeat's own entry. */
  readonly treeSize: number
  /** Every chain that has an entry, sorted by chain (byte order). */
  readonly heads: ReadonlyArray<ChainHead>
}

/** The document. */
export const printHeartbeat = (heartbeat: Heartbeat): string => {
  Field.ascending(format, heartbeat.heads, (head) => head.chain)
  const text = joinLines([
    format,
    `origin ${Field.origin(format, heartbeat.origin)}`,
    `epoch ${Field.count(format, heartbeat.epoch)}`,
    `tree-size ${Field.count(format, heartbeat.treeSize)}`,
    ...heartbeat.heads.map(({ chain, nextSeq, hash }) =>
      `head ${Field.chain(format, chain)} ${Field.count(format, nextSeq)} ${Field.hash(format, hash)}`
    )
  ])
  encode(text, format)
  return text
}

/** Reads the document; throws {@link MalformedError}. */
export const parseHeartbeat = (text: string): Heartbeat => {
  encode(text, format)
  const lines = new Lines(format, text)
  const heartbeat = {
    origin: lines.field("origin", Field.origin),
    epoch: lines.field("epoch", Field.parseCount),
    treeSize: lines.field("tree-size", Field.parseCount),
    heads: lines.repeated("head", () =>
      lines.words("head", 3, (_, [chain = "", seq = "", hash = ""]): ChainHead => ({
        chain: Field.chain(format, chain),
        nextSeq: Field.parseCount(format, seq),
        hash: Field.hash(format, hash)
      })))
  }
  lines.end()
  Field.ascending(format, heartbeat.heads, (head) => head.chain)
  return heartbeat
}
