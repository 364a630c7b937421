/**
 * Random mutations of a small valid bundle. Those of the container change the file's bytes anywhere. Those of the
 * evidence change what it holds and pack it again with right checksums and a right manifest, as whoever knows the format
 * would: then only the ledger's signatures and hashes stand against it.
 */
import { printBundle } from "../bundle/PrintBundle.ts"
import * as Bytes from "../Bytes.ts"
import { printCheckpoint, signCheckpoint } from "../Checkpoint.ts"
import { CompactRange, leafHash } from "../Merkle.ts"
import { type NoteSigner, parseNote, printNote } from "../Note.ts"
import { encodeEntryBundle, parseEntryBundle } from "../Tile.ts"
import { ArchiveBuilder, clock, firstEpoch, hour, log, origin, signer, start } from "./ArchiveBuilder.ts"
import { bundleMembers } from "./EvidenceBundle.ts"
import type { Random } from "./Random.ts"

/** A bundle, and what it was packed from. */
export interface PackedBundle {
  readonly bytes: Uint8Array
  /** Members without the manifest. */
  readonly members: ReadonlyMap<string, Uint8Array>
}

/** The bundle that is mutated, and another valid one of the same log, to take parts from. */
export interface MutationTarget {
  readonly original: PackedBundle
  readonly other: PackedBundle
}

/** What the bundle is verified with. */
export const bundleKeys = [log.key]

const pack = async (what: string, records: number): Promise<PackedBundle> => {
  const builder = new ArchiveBuilder().begin()
  for (let index = 0; index < 2; index++) {
    const [from, to] = [start + (index * hour) / 4, start + ((index + 1) * hour) / 4]
    builder.window({ from, to, lines: `{"RayID":"${what}${index}"}\n`.repeat(records) })
  }
  builder.gap({ from: start + hour / 2, to: start + hour, detail: "host restarted" }, start + hour - 1000)
  builder.heartbeat(firstEpoch).publish()
  const members = await bundleMembers(builder, start, start + hour)
  return { bytes: printBundle(members), members }
}

/** Two valid bundles of six entries and two objects. */
export const mutationTarget = async (): Promise<MutationTarget> => ({
  original: await pack("a", 2),
  other: await pack("b", 1)
})

type BytesEdit = (bytes: Uint8Array, choices: Random) => Uint8Array

const boundaries = [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_fffe, 0xffff_ffff]

// Offset and length of some range; the length is mostly short.
const range = (length: number, choices: Random): readonly [number, number] => {
  const from = choices.integer(length + 1)
  const most = choices.chance(1, 4) ? length - from : Math.min(length - from, 64)
  return [from, choices.integer(most + 1)]
}

/** Edits of any bytes, by name. An edit may leave them as they are. */
const byteEdits: Readonly<Record<string, BytesEdit>> = {
  "flip a bit": (bytes, choices) => {
    const copy = bytes.slice()
    const at = choices.integer(Math.max(1, copy.length))
    if (copy.length > 0) copy[at] = (copy[at] ?? 0) ^ (1 << choices.integer(8))
    return copy
  },
  "change some bytes": (bytes, choices) => {
    const copy = bytes.slice()
    for (let times = 1 + choices.integer(8); times > 0 && copy.length > 0; times--) {
      copy[choices.integer(copy.length)] = choices.integer(256)
    }
    return copy
  },
  "change a digit": (bytes, choices) => {
    const digits = [...bytes.keys()].filter((at) => (bytes[at] ?? 0) >= 0x30 && (bytes[at] ?? 0) <= 0x39)
    const copy = bytes.slice()
    if (digits.length > 0) copy[choices.one(digits)] = 0x30 + choices.integer(10)
    return copy
  },
  "write a number of the format": (bytes, choices) => {
    const copy = bytes.slice()
    const width = choices.one([1, 2, 4, 8])
    if (copy.length < width) return copy
    const at = choices.integer(copy.length - width + 1)
    const value = choices.one(boundaries)
    const littleEndian = choices.chance(1, 2)
    for (let index = 0; index < width; index++) {
      const shift = littleEndian ? index : width - 1 - index
      copy[at + index] = shift > 3 ? 0 : (value >>> (8 * shift)) & 0xff
    }
    return copy
  },
  "overwrite a range": (bytes, choices) => {
    const [from, length] = range(bytes.length, choices)
    const copy = bytes.slice()
    copy.set(choices.chance(1, 2) ? choices.bytes(length) : new Uint8Array(length), from)
    return copy
  },
  "take a range out": (bytes, choices) => {
    const [from, length] = range(bytes.length, choices)
    return Bytes.concat(bytes.subarray(0, from), bytes.subarray(from + length))
  },
  "put a range in": (bytes, choices) => {
    const [from, length] = range(bytes.length, choices)
    const put = choices.chance(1, 2) ? choices.bytes(1 + (length % 64)) : bytes.slice(from, from + length)
    const at = choices.integer(bytes.length + 1)
    return Bytes.concat(bytes.subarray(0, at), put, bytes.subarray(at))
  },
  "copy a range over another": (bytes, choices) => {
    const [from, length] = range(bytes.length, choices)
    const copy = bytes.slice()
    copy.copyWithin(choices.integer(bytes.length + 1), from, from + length)
    return copy
  },
  "swap two ranges": (bytes, choices) => {
    const [from, length] = range(Math.floor(bytes.length / 2), choices)
    const to = Math.floor(bytes.length / 2) + choices.integer(Math.max(1, Math.ceil(bytes.length / 2) - length))
    const copy = bytes.slice()
    copy.set(bytes.subarray(to, to + length), from)
    copy.set(bytes.subarray(from, from + length), to)
    return copy
  },
  "cut the end": (bytes, choices) => bytes.slice(0, choices.integer(bytes.length + 1)),
  "cut the beginning": (bytes, choices) => bytes.slice(choices.integer(bytes.length + 1)),
  "append": (bytes, choices) =>
    Bytes.concat(bytes, choices.chance(1, 4) ? bytes : choices.bytes(1 + choices.integer(64)))
}

const splice: (other: Uint8Array) => BytesEdit = (other) => (bytes, choices) =>
  Bytes.concat(bytes.subarray(0, choices.integer(bytes.length + 1)), other.subarray(choices.integer(other.length + 1)))

type Members = Map<string, Uint8Array>
type EvidenceEdit = (members: Members, target: MutationTarget, choices: Random) => void

// README, SCOPE and the copies of proofs vouch for nothing: what they say is no evidence.
const isEvidence = (name: string): boolean => name.startsWith("archive/")
const anyEvidence = (members: Members, choices: Random): string => choices.one([...members.keys()].filter(isEvidence))
const bytesOf = (members: Members, name: string): Uint8Array => members.get(name) ?? new Uint8Array(0)
const named = (members: Members, part: string): string => [...members.keys()].find((name) => name.includes(part)) ?? ""

const rootOf = (leaves: ReadonlyArray<Uint8Array>): Uint8Array => {
  const tree = CompactRange.empty()
  for (const leaf of leaves) tree.append(leafHash(leaf))
  return tree.root()
}

// Other entries, with the tile that belongs to them. Answers them.
const editEntries = (members: Members, choices: Random): ReadonlyArray<Uint8Array> => {
  const [bundle, tile] = [named(members, "/tile/entries/"), named(members, "/tile/0/")]
  const width = bytesOf(members, tile).length / 32
  const entries = parseEntryBundle(bytesOf(members, bundle), width)
  const at = choices.integer(width)
  const entry = choices.one(entries.slice(at, at + 1))
  const to = choices.integer(width)
  const edits: ReadonlyArray<() => unknown> = [
    () => entries.splice(at, 1, byteEdits["change a digit"]?.(entry, choices) ?? entry),
    () => entries.splice(at, 1, byteEdits["flip a bit"]?.(entry, choices) ?? entry),
    () => entries.splice(to, 0, ...entries.splice(at, 1)),
    () => entries.splice(at, 1, choices.one(entries))
  ]
  choices.one(edits)()
  members.set(bundle, encodeEntryBundle(entries))
  members.set(tile, Bytes.concat(...entries.map((changed) => leafHash(changed))))
  return entries
}

const strangers: readonly [NoteSigner, NoteSigner] = [signer(origin, 1, 200), signer(`${origin}/clock`, 4, 201)]

const evidenceEdits: Readonly<Record<string, EvidenceEdit>> = {
  ...Object.fromEntries(
    Object.entries(byteEdits).map(([name, edit]) => [
      `${name} of a member`,
      (members: Members, _: MutationTarget, choices: Random) => {
        const member = anyEvidence(members, choices)
        members.set(member, edit(bytesOf(members, member), choices))
      }
    ])
  ),
  "remove a member": (members, _, choices) => void members.delete(anyEvidence(members, choices)),
  "empty a member": (members, _, choices) => void members.set(anyEvidence(members, choices), new Uint8Array(0)),
  "swap two members": (members, _, choices) => {
    const [first, second] = [anyEvidence(members, choices), anyEvidence(members, choices)]
    const kept = bytesOf(members, first)
    members.set(first, bytesOf(members, second))
    members.set(second, kept)
  },
  "move a member": (members, _, choices) => {
    const name = anyEvidence(members, choices)
    members.set(`${name}${choices.integer(10)}`, bytesOf(members, name))
    members.delete(name)
  },
  "take members of another bundle": (members, { other }, choices) => {
    const names = [...other.members.keys()].filter((name) => isEvidence(name) && members.has(name))
    for (let times = 1 + choices.integer(3); times > 0; times--) {
      const name = choices.one(names)
      members.set(name, bytesOf(new Map(other.members), name))
    }
  },
  "take a kind of another bundle": (members, { other }, choices) => {
    const kind = choices.one(["/logs/", "/event/", "/tile/", "/checkpoint", "/integrity/"])
    for (const name of members.keys()) if (isEvidence(name) && name.includes(kind)) members.delete(name)
    for (const [name, bytes] of other.members) if (isEvidence(name) && name.includes(kind)) members.set(name, bytes)
  },
  "change entries and their tile": (members, _, choices) => void editEntries(members, choices),
  "change entries and put their root over the old signatures": (members, _, choices) => {
    const entries = editEntries(members, choices)
    const text = printCheckpoint({ origin, size: entries.length, root: rootOf(entries) })
    for (const name of members.keys()) {
      if (!name.includes("/checkpoint")) continue
      members.set(name, printNote({ text, signatures: parseNote(bytesOf(members, name)).signatures }))
    }
  },
  "change entries and sign them with another key": (members, _, choices) => {
    const entries = editEntries(members, choices)
    const [strangeLog, strangeClock] = strangers
    const signed = signCheckpoint({
      checkpoint: { origin, size: entries.length, root: rootOf(entries) },
      log: strangeLog,
      clock: { ...choices.one([strangeClock, clock]), timestamp: 1_800_000_000 }
    })
    for (const name of members.keys()) {
      if (name.includes("/checkpoint")) {
        members.set(name, name.endsWith("/checkpoint") ? signed.served : signed.immutable)
      }
    }
  }
}

/** A mutated bundle. */
export interface MutatedBundle {
  readonly name: string
  readonly bytes: Uint8Array
  /** Whether it is the same evidence all the same: what was archived is there, byte for byte, in a right container. */
  readonly equal: boolean
}

const containerEdits: Readonly<Record<string, (target: MutationTarget) => BytesEdit>> = {
  ...Object.fromEntries(Object.entries(byteEdits).map(([name, edit]) => [name, () => edit])),
  "splice with another bundle": ({ other }) => splice(other.bytes)
}

/** Names of all mutations. */
export const mutationNames: ReadonlyArray<string> = [...Object.keys(containerEdits), ...Object.keys(evidenceEdits)]

const sameEvidence = (original: PackedBundle, members: Members): boolean =>
  [...original.members].every(([name, bytes]) => {
    const found = members.get(name)
    return !isEvidence(name) || (found !== undefined && Bytes.equal(found, bytes))
  })

/** One random mutation of the original; the same for the same choices. */
export const mutateBundle = (target: MutationTarget, choices: Random): MutatedBundle => {
  const name = choices.one(mutationNames)
  const container = containerEdits[name]
  if (container !== undefined) {
    const bytes = container(target)(target.original.bytes, choices)
    return { name, bytes, equal: Bytes.equal(bytes, target.original.bytes) }
  }
  const members: Members = new Map(target.original.members)
  evidenceEdits[name]?.(members, target, choices)
  return { name, bytes: printBundle(members), equal: sameEvidence(target.original, members) }
}
