/**
 * The tamper catalogue, entries: the history is edited under heads that were signed before, or rewritten and signed
 * afresh by an insider.
 */
import { encode as ascii } from "../Ascii.ts"
import { type Entry, printEntry } from "../Entry.ts"
import { sha256 } from "../Hash.ts"
import { printHeartbeat } from "../Heartbeat.ts"
import * as Hex from "../Hex.ts"
import { ledgerKey, ledgerPrefix } from "../Layout.ts"
import { entriesPath, parseTilePath, tileWidth } from "../Tile.ts"
import { type ArchiveBuilder, minute, origin, start, zone } from "./ArchiveBuilder.ts"
import { anchor, day, days, headKey, republish, witness } from "./EvidenceArchive.ts"
import { type Evidence, onFiles, type TamperCase } from "./TamperCase.ts"

const prefix = `${ledgerPrefix(origin)}/`

// Bundles and tiles of the changed entries, in place of all that are stored; the heads stay.
const replaceTiles = (builder: ArchiveBuilder, leaves = builder.entries.map(printEntry)): void => {
  for (const key of builder.files.keys()) if (key.startsWith(`${prefix}tile/`)) builder.files.delete(key)
  builder.writeTilesOf(leaves)
}

// Bundles alone: the tiles still hold the hashes of what was there.
const replaceBundles = (builder: ArchiveBuilder, leaves = builder.entries.map(printEntry)): void => {
  const tiles = new Map([...builder.files].filter(([key]) => {
    const tile = key.startsWith(prefix) ? parseTilePath(key.slice(prefix.length)) : null
    return tile !== null && tile.level !== "entries"
  }))
  replaceTiles(builder, leaves)
  for (const key of builder.files.keys()) {
    if (key.startsWith(`${prefix}tile/`) && !key.startsWith(`${prefix}tile/entries/`)) builder.files.delete(key)
  }
  for (const [key, bytes] of tiles) builder.files.set(key, bytes)
}

const indexOfWindow = (builder: ArchiveBuilder, number: number): number =>
  builder.entries.findIndex((entry) => entry.kind === "object" && entry.window.from === start + number * day)

const change = (builder: ArchiveBuilder, at: number, edit: (entry: Entry) => Entry): void => {
  const entry = builder.entries[at]
  if (entry === undefined) throw new Error(`no entry ${at}`)
  builder.entries[at] = edit(entry)
}

const malformed: ReadonlyArray<[string, (text: string) => string]> = [
  ["CRLF", (text) => text.replaceAll("\n", "\r\n")],
  ["a BOM", (text) => `\uFEFF${text}`],
  ["a trailing space", (text) => text.replace("kind object\n", "kind object \n")],
  ["reordered lines", (text) => text.replace(/(codec .*\n)(enc .*\n)/, "$2$1")],
  ["upper-case hex", (text) => text.replace(/^object .*$/m, (line) => `object ${line.slice(7).toUpperCase()}`)],
  ["a leading zero", (text) => text.replace(/^size /m, "size 0")],
  ["a duplicate line", (text) => text.replace(/^(records .*\n)/m, "$1$1")],
  ["no last LF", (text) => text.slice(0, -1)]
]

const withText = (builder: ArchiveBuilder, edit: (text: string) => string): void => {
  const at = indexOfWindow(builder, 50)
  const leaves = builder.entries.map(printEntry)
  const text = new TextDecoder().decode(leaves[at])
  leaves[at] = new TextEncoder().encode(edit(text))
  replaceTiles(builder, leaves)
}

// The bundle that a writer makes who lets the two-byte length run over.
const overflowing = (builder: ArchiveBuilder): void => {
  const key = ledgerKey(origin, entriesPath(0, tileWidth))
  const whole = builder.files.get(key)
  if (whole === undefined) throw new Error("no full bundle")
  const first = new DataView(whole.buffer, whole.byteOffset).getUint16(0)
  const entry = new Uint8Array(65_536).fill(0x61)
  const bytes = new Uint8Array(2 + entry.length + whole.length - first - 2)
  new DataView(bytes.buffer).setUint16(0, entry.length & 0xffff)
  bytes.set(entry, 2)
  bytes.set(whole.subarray(2 + first), 2 + entry.length)
  builder.files.set(key, bytes)
}

const cutTo = (builder: ArchiveBuilder, size: number): void => {
  builder.entries.length = size
  for (const key of builder.files.keys()) {
    if (/\/(tile|checkpoint\.d|checkpoint|anchor)(\/|$)/.test(key)) builder.files.delete(key)
  }
}

// The sizes published at the end of each day.
const publishedSizes = (builder: ArchiveBuilder): Array<number> =>
  [...builder.files.keys()].flatMap((key) => /checkpoint\.d\/(\d+)$/.exec(key)?.[1] ?? []).map(Number).sort((a, b) =>
    a - b
  )

// All but the last `lost` days, as a valid archive that was never continued.
const tailCut = (builder: ArchiveBuilder, lost: number): ArchiveBuilder => {
  const sizes = publishedSizes(builder)
  const size = sizes.at(-2 - lost) ?? 0
  const kept = [...builder.files]
  cutTo(builder, size)
  for (const [key, bytes] of kept) {
    const at = /\/(?:checkpoint\.d|anchor)\/(\d+)/.exec(key)?.[1]
    if (at !== undefined && Number(at) <= size) builder.files.set(key, bytes)
  }
  return builder.publish()
}

// The head published a number of days before the last one, as somebody may have kept it.
const keptHead = (evidence: Evidence, before: number) => {
  const builder = evidence.copy()
  const size = publishedSizes(builder).at(-1 - before) ?? 0
  return { name: "kept-checkpoint", bytes: builder.files.get(headKey(size)) ?? new Uint8Array(0) }
}

const freshness = { asOf: start + days * day + 60 * minute, maxStaleness: 2 * day }

// Another last ten days, signed with the log's keys, while the anchored heads of the true ones are still there.
const resumed = (builder: ArchiveBuilder): ArchiveBuilder => {
  const anchored = [...builder.files].filter(([key]) => /\/(checkpoint\.d|anchor)\//.test(key))
  const size = publishedSizes(builder).at(-12) ?? 0
  cutTo(builder, size)
  const last = builder.entries.findLast((entry) => entry.kind === "object")
  const first = last?.kind === "object" ? last.window.to : start
  for (let from = first; from < start + days * day; from += day) {
    builder.window({ from, to: from + day, lines: "{\"forged\":true}\n", time: from + day + minute })
    builder.heartbeat(from / day, { time: from + day + 5 * minute }).publish()
    builder.event("anchored", ascii("forged\n"), from + day + 6 * minute)
    builder.entries.pop()
  }
  for (const [key, bytes] of anchored) builder.files.set(key, bytes)
  return builder
}

const dropKind = (builder: ArchiveBuilder, kind: Entry["kind"], nth: number): void => {
  const at = builder.entries.flatMap((entry, index) => entry.kind === kind ? [index] : [])[nth]
  if (at === undefined) throw new Error(`no ${kind} ${nth}`)
  builder.entries.splice(at, 1)
}

// Every heartbeat stated anew, as an insider must who changed the heads they state.
const restateHeartbeats = (builder: ArchiveBuilder): ArchiveBuilder => {
  builder.relink()
  for (const [index, entry] of builder.entries.entries()) {
    if (entry.kind !== "heartbeat") continue
    const before = builder.entries.slice(0, index)
    const heads = [...new Set(before.map(({ chain }) => chain))].sort().map((chain) => {
      const own = before.filter((candidate) => candidate.chain === chain)
      return { chain, nextSeq: own.length, hash: own.at(-1)?.hash ?? "" }
    })
    const epoch = Math.floor((entry.time - 1) / day) - 1
    const document = ascii(printHeartbeat({ origin, epoch, treeSize: index, heads }))
    const object = builder.store(document)
    builder.entries[index] = { ...entry, object, size: document.length, key: `event/${object}` }
    builder.relink()
  }
  return builder
}

// The last 30 days written anew by somebody who holds database, bucket, log keys and a witness that signs today.
const backdated = (builder: ArchiveBuilder): ArchiveBuilder => {
  const sizes = publishedSizes(builder)
  const size = sizes.at(-32) ?? 0
  const kept = [...builder.files].filter(([key]) =>
    Number(/\/(?:checkpoint\.d|anchor)\/(\d+)/.exec(key)?.[1] ?? size + 1) <= size
  )
  cutTo(builder, size)
  for (const [key, bytes] of kept) builder.files.set(key, bytes)
  const last = builder.entries.findLast((entry) => entry.kind === "object")
  const first = last?.kind === "object" ? last.window.to : start
  for (let from = first; from < start + days * day; from += day) {
    builder.window({ from, to: from + day, lines: "{\"forged\":true}\n", time: from + day + minute })
    builder.heartbeat(from / day, { time: from + day + 5 * minute }).publish()
  }
  return anchor(builder, builder.entries.length, start + days * day + 30 * minute).publish()
}

/** Cases about entries and their chains. */
export const entryCases: ReadonlyArray<TamperCase> = [
  {
    id: "entry-edit-meta",
    attacker: "storage",
    mutation: "change records, window or key in an entry and keep its hash",
    expect: ["LEAF_NOT_IN_TREE"],
    exit: 1,
    attempts: (evidence) =>
      ([
        ["records", (entry: Entry) => entry.kind === "object" ? { ...entry, records: entry.records + 1 } : entry],
        ["window", (entry: Entry) =>
          entry.kind === "object" ? { ...entry, window: { ...entry.window, to: entry.window.to + 1 } } : entry],
        ["key", (entry: Entry) =>
          entry.kind === "object" ? { ...entry, key: `${entry.key}x` } : entry]
      ] satisfies ReadonlyArray<readonly [string, (entry: Entry) => Entry]>).map(([name, edit]) =>
        onFiles(evidence, (builder) => {
          change(builder, indexOfWindow(builder, 50), edit)
          replaceBundles(builder)
        }, name)
      )
  },
  {
    id: "entry-edit-job",
    attacker: "storage",
    mutation: "change a job, recompute its hash and the chain after it",
    expect: ["ROOT_MISMATCH"],
    exit: 1,
    attempts: (evidence) => [
      onFiles(evidence, (builder) => {
        change(
          builder,
          indexOfWindow(builder, 50),
          (entry) => ({ ...entry, job: "01980000-0000-7000-8000-00000000ffff" })
        )
        builder.relink()
        replaceTiles(builder)
      })
    ]
  },
  {
    id: "entry-insert",
    attacker: "storage",
    mutation: "insert an entry mid chain, renumber, rechain, rebuild the tree, keep the old checkpoint",
    expect: ["ROOT_MISMATCH"],
    exit: 1,
    attempts: (evidence) => [
      onFiles(evidence, (builder) => {
        const at = indexOfWindow(builder, 50)
        const [entry] = builder.entries.slice(at, at + 1)
        if (entry !== undefined) {
          builder.entries.splice(at, 0, { ...entry, job: "01980000-0000-7000-8000-00000000ffff" })
        }
        builder.relink()
        replaceTiles(builder)
      })
    ]
  },
  {
    id: "entry-drop",
    attacker: "storage",
    mutation: "drop one entry",
    expect: ["SEQ_GAP"],
    exit: 1,
    attempts: (evidence) => [
      onFiles(evidence, (builder) => {
        builder.entries.splice(indexOfWindow(builder, 50), 1)
        replaceTiles(builder)
      })
    ]
  },
  {
    id: "entry-dup",
    attacker: "storage",
    mutation: "the same seq twice with the same prev (two writers)",
    expect: ["CHAIN_FORK"],
    exit: 1,
    attempts: (evidence) => [
      onFiles(evidence, (builder) => {
        const at = indexOfWindow(builder, 50)
        const [entry] = builder.entries.slice(at, at + 1)
        if (entry !== undefined) builder.entries.splice(at + 1, 0, { ...entry, time: entry.time + 1 })
        replaceTiles(builder)
      })
    ]
  },
  {
    id: "entry-swap",
    attacker: "storage",
    mutation: "swap two entries",
    expect: ["CHAIN_BROKEN"],
    exit: 1,
    attempts: (evidence) => [
      onFiles(evidence, (builder) => {
        const [left, right] = [indexOfWindow(builder, 50), indexOfWindow(builder, 51)]
        const [first, second] = [builder.entries[left], builder.entries[right]]
        if (first !== undefined && second !== undefined) {
          builder.entries[left] = second
          builder.entries[right] = first
        }
        replaceTiles(builder)
      })
    ]
  },
  {
    id: "entry-transplant",
    attacker: "insider",
    mutation: "present the chain of one zone as that of another (the formula is the same)",
    expect: ["GENESIS_MISMATCH"],
    exit: 1,
    attempts: (evidence) => [
      onFiles(evidence, (builder) => {
        const other = "0d2a6c1e-58a7-4f2f-9b0e-6d7f4c8b1a23"
        for (const [at, entry] of builder.entries.entries()) {
          if (entry.chain === zone) builder.entries[at] = { ...entry, chain: other }
        }
        republish(builder)
      })
    ]
  },
  {
    id: "entry-nonascii",
    attacker: "storage",
    mutation: "CRLF, BOM, trailing space, reordered lines, upper-case hex, leading zero, duplicate line",
    expect: ["MALFORMED_ENTRY"],
    exit: 3,
    attempts: (evidence) =>
      malformed.map(([name, edit]) => onFiles(evidence, (builder) => withText(builder, edit), name))
  },
  {
    id: "entry-too-long",
    attacker: "storage",
    mutation: "an entry of 65536 bytes, whose two-byte length runs over",
    expect: ["MALFORMED_ENTRY"],
    exit: 3,
    attempts: (evidence) => [onFiles(evidence, overflowing)]
  },
  {
    id: "tail-cut",
    attacker: "storage",
    mutation: "drop the last entries and serve an older, validly signed checkpoint; ask for a fresh one",
    expect: ["STALE"],
    exit: 2,
    attempts: (evidence) => [onFiles(evidence, (builder) => tailCut(builder, 4), "asked as of now", { freshness })]
  },
  {
    id: "tail-cut-pinned",
    attacker: "storage",
    mutation: "the same, verified by somebody who kept a newer checkpoint",
    expect: ["TRUNCATED"],
    exit: 1,
    attempts: (
      evidence
    ) => [onFiles(evidence, (builder) => tailCut(builder, 4), "", { pinned: [keptHead(evidence, 0)] })]
  },
  {
    id: "tail-cut-resume",
    attacker: "insider",
    mutation: "cut the tail, go on appending and sign again, while anchors over the cut range exist",
    expect: ["EQUIVOCATION"],
    exit: 1,
    attempts: (evidence) => [
      onFiles(evidence, resumed, "anchored heads in the archive"),
      onFiles(
        evidence,
        (builder) => {
          const kept = new Set(publishedSizes(builder).slice(0, -11))
          resumed(builder)
          for (const key of builder.files.keys()) {
            const at = /\/(?:checkpoint\.d|anchor)\/(\d+)/.exec(key)?.[1]
            if (at !== undefined && !kept.has(Number(at))) builder.files.delete(key)
          }
          builder.publish()
        },
        "a kept checkpoint",
        { pinned: [keptHead(evidence, 6)] }
      )
    ]
  },
  {
    id: "hb-missing",
    attacker: "insider",
    mutation: "remove the heartbeat of one epoch and rebuild everything with the log's keys",
    expect: ["HEARTBEAT_GAP"],
    exit: 1,
    attempts: (evidence) => [
      onFiles(evidence, (builder) => {
        dropKind(builder, "heartbeat", 100)
        republish(restateHeartbeats(builder))
      })
    ]
  },
  {
    id: "hb-wrong-head",
    attacker: "insider",
    mutation: "a heartbeat states another head than the replayed one",
    expect: ["HEARTBEAT_HEAD_MISMATCH"],
    exit: 1,
    attempts: (evidence) => [
      onFiles(evidence, (builder) => {
        const at = builder.entries.findLastIndex(({ kind }) => kind === "heartbeat")
        const heads = [{ chain: zone, nextSeq: 1, hash: Hex.encode(sha256(ascii("another"))) }]
        const document = ascii(printHeartbeat({ origin, epoch: start / day + days - 1, treeSize: at, heads }))
        const object = builder.store(document)
        change(
          builder,
          at,
          (entry) =>
            entry.kind === "heartbeat" ? { ...entry, object, size: document.length, key: `event/${object}` } : entry
        )
        republish(builder.relink())
      })
    ]
  },
  {
    id: "window-gap",
    attacker: "insider",
    mutation: "windows of a source do not tile and no gap event declares it",
    expect: ["COVERAGE_GAP"],
    exit: 1,
    attempts: (evidence) => [
      onFiles(evidence, (builder) => {
        builder.entries.splice(indexOfWindow(builder, 50), 1)
        republish(restateHeartbeats(builder))
      })
    ]
  },
  {
    id: "backdate",
    attacker: "insider",
    mutation: "rewrite the last 30 days with the log's keys and anchor them afresh",
    expect: ["ANCHOR_LAG_EXCEEDED"],
    exit: 1,
    attempts: (evidence) => [onFiles(evidence, backdated, witness.key.name)]
  },
  {
    id: "future",
    attacker: "insider",
    mutation: "an entry states a time after the trusted time that covers it",
    expect: ["TIME_AFTER_ANCHOR"],
    exit: 1,
    attempts: (evidence) => [
      onFiles(evidence, (builder) => {
        const at = start + days * day + 10 * minute
        builder.window({
          from: start + days * day,
          to: start + days * day + minute,
          lines: "{}\n",
          time: at + 60 * minute
        })
        const size = builder.publish().entries.length
        anchor(builder, size, at).publish()
      })
    ]
  },
  {
    id: "time-before-beacon",
    attacker: "insider",
    mutation: "an entry states a time before that of an anchor receipt chained before it",
    expect: ["TIME_BEFORE_BEACON"],
    exit: 1,
    attempts: (evidence) => [
      onFiles(evidence, (builder) => {
        const from = start + days * day
        builder.window({ from, to: from + minute, lines: "{}\n", time: from - 60 * minute })
        const size = builder.publish().entries.length
        anchor(builder, size, from + 10 * minute).publish()
      })
    ]
  }
]
