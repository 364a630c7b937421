/**
 * What anybody who can write to the storage can do to an archive that is already there: each attack is a set of changes
 * over it, made in memory.
 */
import { encode as ascii } from "../Ascii.ts"
import * as Bytes from "../Bytes.ts"
import { printCheckpoint, signCheckpoint } from "../Checkpoint.ts"
import { type Entry, parseEntry, printEntry } from "../Entry.ts"
import { checkpointArchivePath, ledgerKey } from "../Layout.ts"
import { leafHash } from "../Merkle.ts"
import { parseNote, printNote } from "../Note.ts"
import { encodeEntryBundle } from "../Tile.ts"
import type { PinnedCheckpoint } from "../verification/PinnedHeads.ts"
import { signer } from "./ArchiveBuilder.ts"
import type { ArchiveSurvey, Bundle, StoredObject } from "./ArchiveSurvey.ts"
import type { Changes } from "./OverlayReader.ts"

/** What an attack does, or why this archive has nothing for it. */
export type Attack =
  | { readonly changes: Changes; readonly pinned?: ReadonlyArray<PinnedCheckpoint> }
  | { readonly notTried: string }

/** An attack on an archive. */
export interface ArchiveAttack {
  readonly id: string
  /** What is done, for a person. */
  readonly mutation: string
  readonly make: (survey: ArchiveSurvey) => Attack | Promise<Attack>
}

const put = (...files: ReadonlyArray<readonly [string, Uint8Array | null]>): Attack => ({ changes: new Map(files) })
const flip = (bytes: Uint8Array, at = Math.floor(bytes.length / 2)): Uint8Array =>
  bytes.map((byte, index) => index === at ? byte ^ 1 : byte)

const onObject = (act: (object: StoredObject, survey: ArchiveSurvey) => Attack) => (survey: ArchiveSurvey): Attack => {
  const [object] = survey.objects
  return object === undefined
    ? { notTried: "no object is stored that is small enough to be changed in memory" }
    : act(object, survey)
}

// Changes the bundle that holds an entry; the number of its entries stays.
const onEntries = (
  act: (entries: Array<Uint8Array>, at: number, bundle: Bundle) => ReadonlyArray<readonly [string, Uint8Array]> | void
) =>
async (survey: ArchiveSurvey): Promise<Attack> => {
  const leaf = survey.objects[0]?.leaf ?? survey.size - 1
  const bundle = await survey.bundleOf(leaf)
  const entries = [...bundle.entries]
  const more = act(entries, leaf - bundle.first, bundle) ?? []
  const changed = encodeEntryBundle(entries)
  if (entries.length < 2 || Bytes.equal(changed, encodeEntryBundle(bundle.entries))) {
    return { notTried: "there are too few entries" }
  }
  return put([bundle.key, changed], ...more)
}

const restate = (text: Uint8Array): Uint8Array => {
  const entry: Entry = parseEntry(text)
  return printEntry({ ...entry, time: entry.time + 1 })
}

const note = ({ served }: ArchiveSurvey) => parseNote(served.bytes)
const headKeys = ({ files, origin, served }: ArchiveSurvey): Array<string> => [
  served.key,
  ...[...files.archivedCheckpoints.keys()].map((size) => ledgerKey(origin, checkpointArchivePath(size)))
]

/** All attacks, in the order they are tried. */
export const archiveAttacks: ReadonlyArray<ArchiveAttack> = [
  {
    id: "object-flip",
    mutation: "flip one bit of an object",
    make: onObject(({ bytes, key }) => put([key, flip(bytes)]))
  },
  {
    id: "object-cut",
    mutation: "cut the last byte of an object",
    make: onObject(({ bytes, key }) => put([key, bytes.slice(0, -1)]))
  },
  {
    id: "object-append",
    mutation: "append a line to an object",
    make: onObject(({ bytes, key }) => put([key, Bytes.concat(bytes, ascii("{\"forged\":true}\n"))]))
  },
  { id: "object-remove", mutation: "remove an object", make: onObject(({ key }) => put([key, null])) },
  {
    id: "object-swap",
    mutation: "swap the contents of two objects",
    make: onObject((first, { objects: [, second] }) =>
      second === undefined || Bytes.equal(first.bytes, second.bytes)
        ? { notTried: "there are no two different objects" }
        : put([first.key, second.bytes], [second.key, first.bytes])
    )
  },
  {
    id: "entry-change",
    mutation: "change the time in an entry",
    make: onEntries((entries, at) => void entries.splice(at, 1, ...entries.slice(at, at + 1).map(restate)))
  },
  {
    id: "entry-change-tile",
    mutation: "change the time in an entry, and its hash in the tile",
    make: onEntries((entries, at, { tile }) => {
      entries.splice(at, 1, ...entries.slice(at, at + 1).map(restate))
      const bytes = tile.bytes.slice()
      bytes.set(leafHash(entries[at] ?? tile.bytes), at * 32)
      return [[tile.key, bytes]]
    })
  },
  {
    id: "entry-remove",
    mutation: "remove an entry and repeat the last one in its place",
    make: onEntries((entries, at) => {
      const [last] = entries.slice(-1)
      entries.splice(at === entries.length - 1 ? 0 : at, 1)
      if (last !== undefined) entries.push(last)
    })
  },
  {
    id: "entry-swap",
    mutation: "swap two entries",
    make: onEntries((entries, at) => void entries.splice(at === 0 ? 1 : at - 1, 0, ...entries.splice(at, 1)))
  },
  {
    id: "entry-insert",
    mutation: "insert a forged entry and drop the last one",
    make: onEntries((entries, at) => {
      const forged = entries.slice(at, at + 1).map(parseEntry).map((entry) =>
        printEntry({ ...entry, job: `f${entry.job.slice(1, -1)}${entry.job.endsWith("0") ? 1 : 0}` })
      )
      entries.splice(at, 0, ...forged)
      entries.pop()
    })
  },
  {
    id: "tail-cut",
    mutation: "take away the last entries and their tile",
    make: async ({ bundleOf, size }) => {
      const bundle = await bundleOf(size - 1)
      return put([bundle.key, null], [bundle.tile.key, null])
    }
  },
  {
    id: "tile-flip",
    mutation: "flip one bit of a tile",
    make: async ({ bundleOf, objects, size }) => {
      const { tile } = await bundleOf(objects[0]?.leaf ?? size - 1)
      return put([tile.key, flip(tile.bytes, 0)])
    }
  },
  {
    id: "tile-remove",
    mutation: "remove a tile",
    make: async ({ bundleOf, objects, size }) => {
      const { tile } = await bundleOf(objects[0]?.leaf ?? size - 1)
      return put([tile.key, null])
    }
  },
  {
    id: "document-flip",
    mutation: "flip one bit of a document",
    make: ({ document }) => put([document.key, flip(document.bytes)])
  },
  { id: "document-remove", mutation: "remove a document", make: ({ document }) => put([document.key, null]) },
  {
    id: "checkpoint-size",
    mutation: "state another size in the served checkpoint, under its old signatures",
    make: (survey) => {
      const { signatures, text } = note(survey)
      return put([
        survey.served.key,
        printNote({ text: text.replace(`\n${survey.size}\n`, `\n${survey.size - 1}\n`), signatures })
      ])
    }
  },
  {
    id: "checkpoint-signature",
    mutation: "flip one bit of a signature",
    make: (survey) => {
      const { signatures, text } = note(survey)
      const broken = signatures.map((line) => ({ ...line, signature: flip(line.signature) }))
      return put([survey.served.key, printNote({ text, signatures: broken })])
    }
  },
  {
    id: "checkpoint-unsigned",
    mutation: "strip all signatures",
    make: (survey) => put([survey.served.key, ascii(note(survey).text)])
  },
  {
    id: "checkpoint-remove",
    mutation: "remove every checkpoint",
    make: (survey) => put(...headKeys(survey).map((key) => [key, null] as const))
  },
  {
    id: "checkpoint-stranger",
    mutation: "sign another history with a key of one's own, under the log's name",
    make: (survey) => {
      const { origin, served, size } = survey
      const root = leafHash(ascii("another history"))
      const signed = signCheckpoint({
        checkpoint: { origin, size, root },
        log: signer(origin, 1, 210),
        clock: { ...signer(`${origin}/clock`, 4, 211), timestamp: 1_800_000_000 }
      })
      return put([served.key, signed.served], [ledgerKey(origin, checkpointArchivePath(size)), signed.immutable])
    }
  },
  {
    id: "checkpoint-root",
    mutation: "put another root over the old signatures",
    make: (survey) => {
      const { origin, served, size } = survey
      const text = printCheckpoint({ origin, size, root: leafHash(ascii("another history")) })
      return put([served.key, printNote({ text, signatures: note(survey).signatures })])
    }
  },
  {
    id: "rollback",
    mutation: "serve an older head and take away the newer ones; the verifier keeps the newest",
    make: async (survey) => {
      const { files, origin, reader, served, size } = survey
      const older = Math.max(...[...files.archivedCheckpoints.keys()].filter((candidate) => candidate < size))
      const archived = await reader.read(ledgerKey(origin, checkpointArchivePath(older)))
      if (archived === null) return { notTried: "there is no older checkpoint" }
      const newer = [...files.archivedCheckpoints.keys()].filter((candidate) => candidate > older)
      return {
        changes: new Map<string, Uint8Array | null>([
          [served.key, archived],
          ...newer.map((candidate) => [ledgerKey(origin, checkpointArchivePath(candidate)), null] as const)
        ]),
        pinned: [{ name: "kept checkpoint", bytes: served.bytes }]
      }
    }
  },
  {
    id: "receipt-flip",
    mutation: "flip one bit of an anchor's receipt",
    make: async ({ files, reader }) => {
      const [path] = files.anchors.keys()
      const key = `${files.prefix}/${path ?? ""}`
      const bytes = path === undefined ? null : await reader.read(key)
      return bytes === null ? { notTried: "the archive has no receipt of an anchor" } : put([key, flip(bytes)])
    }
  },
  {
    id: "receipt-remove",
    mutation: "remove an anchor's receipt",
    make: ({ files }) => {
      const [path] = files.anchors.keys()
      return path === undefined
        ? { notTried: "the archive has no receipt of an anchor" }
        : put([`${files.prefix}/${path}`, null])
    }
  }
]
