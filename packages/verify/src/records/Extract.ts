/**
 * `rainlogs-extract/v1` (ledger format §9): an object's lines with some of them removed. For the lines that are kept it
 * holds the seeds of their salts, for those removed their commitments alone: that exactly these were removed and nothing
 * else was changed can be verified, and what they said cannot be found out.
 */
import * as Base64 from "../Base64.ts"
import * as Field from "../Field.ts"
import { joinLines, Lines } from "../Lines.ts"
import { MalformedError } from "../Malformed.ts"
import { CompactRange, leafHash } from "../Merkle.ts"
import { commitment } from "./RecordsRoot.ts"
import { descend, saltLevels, type SaltNode, saltOf } from "./Salts.ts"

const format = "rainlogs-extract/v1"

/** What is left of an object's lines. */
export interface Extract {
  /** Number of lines before anything was removed. */
  readonly records: number
  /** The removed lines by number, ascending, and their commitments. */
  readonly removed: ReadonlyMap<number, Uint8Array>
  /** The smallest set of nodes that covers the kept lines and no removed one, in order. */
  readonly seeds: ReadonlyArray<SaltNode>
}

/** The nodes that cover the lines below `records` that are not removed, in order, from the root seed. */
export const coverOf = (root: Uint8Array, records: number, removed: ReadonlySet<number>): Array<SaltNode> => {
  const sorted = [...removed].sort((left, right) => left - right)
  const cover: Array<SaltNode> = []
  // Lines from `records` on do not exist; their salts are nobody's, but a node that covers them shows no line.
  const visit = (node: SaltNode, from: number, to: number): void => {
    const span = 2 ** (saltLevels - node.depth)
    const begin = node.index * span
    if (begin >= records) return
    if (from === to) {
      cover.push(node)
      return
    }
    if (node.depth === saltLevels) return
    const middle = begin + span / 2
    let split = from
    while (split < to && (sorted[split] ?? 0) < middle) split += 1
    const [depth, first] = [node.depth + 1, node.index * 2]
    visit({ depth, index: first, seed: descend(node, depth, first) }, from, split)
    visit({ depth, index: first + 1, seed: descend(node, depth, first + 1) }, split, to)
  }
  visit({ depth: 0, index: 0, seed: root }, 0, sorted.length)
  return cover
}

/** Makes the extract of an object's lines (each without its LF) without the removed ones. */
export const makeExtract = (
  root: Uint8Array,
  lines: ReadonlyArray<Uint8Array>,
  removed: ReadonlySet<number>
): { readonly extract: Extract; readonly kept: ReadonlyArray<Uint8Array> } => {
  const wrong = [...removed].find((line) => !Number.isSafeInteger(line) || line < 0 || line >= lines.length)
  if (wrong !== undefined) throw new RangeError(`there is no line ${wrong} in ${lines.length} lines`)
  const numbers = [...removed].sort((left, right) => left - right)
  return {
    extract: {
      records: lines.length,
      removed: new Map(numbers.map((line) => [line, commitment(saltOf(root, line), lines[line] ?? new Uint8Array(0))])),
      seeds: coverOf(root, lines.length, removed)
    },
    kept: lines.filter((_, line) => !removed.has(line))
  }
}

/** The text of an extract's proof; the kept lines are a file of their own. */
export const printExtract = (extract: Extract): string =>
  joinLines([
    format,
    `records ${Field.count(format, extract.records)}`,
    ...[...extract.removed].map(([line, value]) => `removed ${Field.count(format, line)} ${Base64.encode(value)}`),
    ...extract.seeds.map(({ depth, index, seed }) =>
      `seed ${Field.count(format, depth)} ${Field.count(format, index)} ${Base64.encode(seed)}`
    )
  ])

const bytes32 = (text: string): Uint8Array => {
  const bytes = Base64.decode(text)
  if (bytes.length !== 32) throw new MalformedError(format, `${bytes.length} bytes, expected 32`)
  return bytes
}

/** Reads an extract's proof; throws {@link MalformedError}. */
export const parseExtract = (text: string): Extract => {
  const lines = new Lines(format, text)
  const records = lines.field("records", Field.parseCount)
  const removed = lines.repeated(
    "removed",
    () =>
      lines.words(
        "removed",
        2,
        (_, [line = "", value = ""]) => [Field.parseCount(format, line), bytes32(value)] as const
      )
  )
  const seeds = lines.repeated(
    "seed",
    () =>
      lines.words("seed", 3, (_, [depth = "", index = "", seed = ""]): SaltNode => ({
        depth: Field.parseCount(format, depth),
        index: Field.parseCount(format, index),
        seed: bytes32(seed)
      }))
  )
  lines.end()
  Field.ascending(format, removed, ([line]) => String(line).padStart(16, "0"))
  if (removed.some(([line]) => line >= records)) throw new MalformedError(format, "a removed line beyond the last one")
  if (seeds.some(({ depth, index }) => depth > saltLevels || index >= 2 ** depth)) {
    throw new MalformedError(format, "a seed outside the tree")
  }
  return { records, removed: new Map(removed), seeds }
}

/** The records root that the extract and its kept lines give, or why they give none. */
export const rootOfExtract = (
  extract: Extract,
  kept: ReadonlyArray<Uint8Array>
): { readonly objection: string } | { readonly objection: null; readonly root: Uint8Array } => {
  const { records, removed, seeds } = extract
  if (kept.length + removed.size !== records) {
    return { objection: `${kept.length} kept and ${removed.size} removed lines, expected ${records}` }
  }
  const tree = CompactRange.empty()
  let [at, seed] = [0, 0]
  for (let line = 0; line < records; line++) {
    const known = removed.get(line)
    if (known !== undefined) {
      tree.append(leafHash(known))
      continue
    }
    const covers = (node: SaltNode | undefined): node is SaltNode =>
      node !== undefined && Math.floor(line / 2 ** (saltLevels - node.depth)) === node.index
    while (seed < seeds.length && !covers(seeds[seed])) seed += 1
    const node = seeds[seed]
    if (!covers(node)) return { objection: `no seed covers line ${line}` }
    const text = kept[at]
    at += 1
    if (text === undefined) return { objection: "a kept line is missing" }
    tree.append(leafHash(commitment(descend(node, saltLevels, line), text)))
  }
  return { objection: null, root: tree.root() }
}
