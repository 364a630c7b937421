/**
 * What somebody without the log's key can do to the files of an archive: damage, move, replace, take away, put back.
 */
import { encode as ascii } from "../src/Ascii.ts"
import * as Bytes from "../src/Bytes.ts"
import { printCheckpoint, signCheckpoint } from "../src/Checkpoint.ts"
import * as Ed25519 from "../src/Ed25519.ts"
import { printEntry } from "../src/Entry.ts"
import { sha256 } from "../src/Hash.ts"
import * as Hex from "../src/Hex.ts"
import { checkpointArchiveKey, checkpointArchivePath, checkpointKey, ledgerKey, ledgerPrefix } from "../src/Layout.ts"
import { CompactRange, leafHash } from "../src/Merkle.ts"
import { parseNote, printNote } from "../src/Note.ts"
import type { Random } from "../src/tampering/Random.ts"
import { entriesPath, tilePath } from "../src/Tile.ts"
import { makeVerifierKey } from "../src/VerifierKey.ts"
import { ArchiveBuilder, clock, origin } from "./ArchiveBuilder.ts"
import type { ArchiveFiles } from "./MemoryReader.ts"

/** What a mutation works on: the files, which it changes in place, and what they were made from. */
export interface Target {
  readonly files: ArchiveFiles
  readonly original: ArchiveBuilder
  /** Another valid archive of the same log, with other contents. */
  readonly other: ArchiveFiles
}

type Mutation = (target: Target, choices: Random) => void

const prefix = `${ledgerPrefix(origin)}/`

/** The kind of a file by its place in the layout. */
const kindOf = (key: string): string =>
  key.startsWith("logs/") ? "object" : key.slice(prefix.length).replace(/\/.*$/, "").replace(".d", "") +
    (key.includes("/tile/entries/") ? "/entries" : "")

const anyFile = ({ files }: Target, choices: Random): string => choices.one([...files.keys()])
const bytesOf = (files: ArchiveFiles, key: string): Uint8Array => files.get(key) ?? new Uint8Array(0)
const ofSameKind = ({ files }: Target, key: string): ReadonlyArray<string> => {
  const kind = kindOf(key)
  return [...files.keys()].filter((candidate) => candidate !== key && kindOf(candidate) === kind)
}
const change = (target: Target, choices: Random, edit: (bytes: Uint8Array) => Uint8Array): void => {
  const key = anyFile(target, choices)
  target.files.set(key, edit(bytesOf(target.files, key)))
}

/** The tiles and bundles of these leaves, in place of all that are stored. */
const replaceTiles = (files: ArchiveFiles, leaves: ReadonlyArray<Uint8Array>): void => {
  for (const key of files.keys()) if (key.startsWith(`${prefix}tile/`)) files.delete(key)
  for (const [key, bytes] of new ArchiveBuilder().writeTilesOf(leaves).files) files.set(key, bytes)
}

const rootOf = (leaves: ReadonlyArray<Uint8Array>): Uint8Array => {
  const tree = CompactRange.empty()
  for (const leaf of leaves) tree.append(leafHash(leaf))
  return tree.root()
}

// Another history, linked anew: one entry changed, dropped, repeated or moved, and all hashes after it recomputed.
const rewritten = ({ original }: Target, choices: Random): ArchiveBuilder => {
  const builder = new ArchiveBuilder()
  builder.entries.push(...original.entries)
  const at = choices.integer(builder.entries.length)
  const entry = choices.one(builder.entries.slice(at, at + 1))
  const edits: ReadonlyArray<() => void> = [
    () => builder.entries.splice(at, 1),
    () => builder.entries.splice(at, 0, entry),
    () => builder.entries.splice(at, 1, ...builder.entries.splice(choices.integer(builder.entries.length), 1, entry)),
    () => builder.entries.splice(at, 1, { ...entry, time: entry.time + 1 + choices.integer(1000) }),
    () => {
      if (entry.kind !== "object" || entry.key === null) return
      builder.entries.splice(at, 1, { ...entry, records: entry.records + 1 })
    },
    () => builder.entries.splice(at, 1, { ...entry, job: "01980000-0000-7000-8000-00000000ffff" })
  ]
  choices.one(edits)()
  return builder.relink({ renumber: choices.one(["renumber", "keep-seq"]) })
}

const seed = new Uint8Array(32).fill(9)
const stranger = { key: makeVerifierKey(origin, 1, Ed25519.publicKey(seed)), seed }

/** All mutations by name. */
export const mutations: Readonly<Record<string, Mutation>> = {
  "flip a bit": (target, choices) =>
    change(target, choices, (bytes) => {
      const at = choices.integer(Math.max(1, bytes.length))
      return bytes.map((byte, index) => index === at ? byte ^ (1 << choices.integer(8)) : byte)
    }),
  "overwrite a range": (target, choices) =>
    change(target, choices, (bytes) => {
      const copy = bytes.slice()
      const at = choices.integer(copy.length + 1)
      copy.set(choices.bytes(Math.min(copy.length - at, 1 + choices.integer(64))), at)
      return copy
    }),
  "swap ranges of two files": (target, choices) => {
    const [first, second] = [anyFile(target, choices), anyFile(target, choices)]
    const [left, right] = [bytesOf(target.files, first).slice(), bytesOf(target.files, second).slice()]
    const length = Math.min(left.length, right.length, 1 + choices.integer(200))
    const [from, to] = [choices.integer(left.length - length + 1), choices.integer(right.length - length + 1)]
    const moved = left.slice(from, from + length)
    left.set(right.subarray(to, to + length), from)
    right.set(moved, to)
    target.files.set(first, left)
    if (first !== second) target.files.set(second, right)
  },
  "cut a file": (target, choices) =>
    change(target, choices, (bytes) => bytes.slice(0, choices.integer(bytes.length + 1))),
  "cut the beginning": (target, choices) =>
    change(target, choices, (bytes) => bytes.slice(choices.integer(bytes.length + 1))),
  "extend a file": (target, choices) =>
    change(
      target,
      choices,
      (bytes) => Bytes.concat(bytes, choices.chance(1, 2) ? bytes.slice(0, 32) : choices.bytes(1 + choices.integer(40)))
    ),
  "double a line": (target, choices) =>
    change(target, choices, (bytes) => {
      const at = bytes.indexOf(10, choices.integer(bytes.length + 1)) + 1
      const end = bytes.indexOf(10, at) + 1
      return end <= at ? bytes : Bytes.concat(bytes.slice(0, end), bytes.slice(at))
    }),
  "remove a file": (target, choices) => {
    target.files.delete(anyFile(target, choices))
  },
  "remove all of a kind": (target, choices) => {
    const key = anyFile(target, choices)
    for (const same of [key, ...ofSameKind(target, key)]) target.files.delete(same)
  },
  "replace by another of its kind": (target, choices) => {
    const key = anyFile(target, choices)
    const others = ofSameKind(target, key)
    if (others.length > 0) target.files.set(key, bytesOf(target.files, choices.one(others)))
  },
  "swap two of a kind": (target, choices) => {
    const key = anyFile(target, choices)
    const others = ofSameKind(target, key)
    if (others.length === 0) return
    const second = choices.one(others)
    const [left, right] = [bytesOf(target.files, key), bytesOf(target.files, second)]
    target.files.set(key, right).set(second, left)
  },
  "rename to another place of its kind": (target, choices) => {
    const key = anyFile(target, choices)
    const width = 1 + choices.integer(256)
    const places = [
      ledgerKey(origin, tilePath(choices.integer(3), choices.integer(3), width)),
      ledgerKey(origin, entriesPath(choices.integer(3), width)),
      ledgerKey(origin, checkpointArchivePath(choices.integer(600))),
      ledgerKey(origin, `event/${Hex.encode(sha256(choices.bytes(4)))}`),
      checkpointKey(origin)
    ]
    target.files.set(choices.one(places), bytesOf(target.files, key))
    if (choices.chance(1, 2)) target.files.delete(key)
  },
  "take a file from another archive of the log": (target, choices) => {
    const key = choices.one([...target.other.keys()])
    target.files.set(key, bytesOf(target.other, key))
  },
  "take all of a kind from another archive of the log": (target, choices) => {
    const kind = kindOf(choices.one([...target.other.keys()]))
    for (const [key, bytes] of target.other) if (kindOf(key) === kind) target.files.set(key, bytes)
  },
  "serve an older head": (target, choices) => {
    const sizes = [...target.files.keys()].flatMap((key) => /checkpoint\.d\/(\d+)$/.exec(key)?.[1] ?? []).map(Number)
    if (sizes.length === 0) return
    const size = choices.one(sizes)
    if (size > target.original.entries.length) return
    target.files.set(checkpointKey(origin), target.original.sign(size).served)
    if (choices.chance(1, 2)) {
      for (const newer of sizes) if (newer > size) target.files.delete(checkpointArchiveKey(origin, newer))
    }
  },
  "rewrite the history under the old heads": (target, choices) =>
    replaceTiles(target.files, rewritten(target, choices).entries.map(printEntry)),
  "rewrite the history and sign it with another key": (target, choices) => {
    const leaves = rewritten(target, choices).entries.map(printEntry)
    replaceTiles(target.files, leaves)
    const timestamp = 1_800_000_000
    const checkpoint = { origin, size: leaves.length, root: rootOf(leaves) }
    const signed = signCheckpoint({ checkpoint, log: stranger, clock: { ...clock, timestamp } })
    target.files.set(checkpointArchiveKey(origin, leaves.length), signed.immutable)
    target.files.set(checkpointKey(origin), signed.served)
  },
  "rewrite the history and put its head over the old signatures": (target, choices) => {
    const leaves = rewritten(target, choices).entries.map(printEntry)
    replaceTiles(target.files, leaves)
    const signed = target.original.sign()
    const text = printCheckpoint({ origin, size: leaves.length, root: rootOf(leaves) })
    const over = (note: Uint8Array) => printNote({ text, signatures: parseNote(note).signatures })
    for (const key of target.files.keys()) if (key.includes("/checkpoint.d/")) target.files.delete(key)
    target.files.set(checkpointArchiveKey(origin, leaves.length), over(signed.immutable))
    target.files.set(checkpointKey(origin), over(signed.served))
  },
  "put a stray file": (target, choices) => {
    target.files.set(`${prefix}${choices.one(["tile/0/000.tmp", "event/x", "lost+found"])}`, ascii("stray\n"))
  }
}
