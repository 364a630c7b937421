/**
 * Finds a log line in the archive and proves it alone (ledger format §9): from the stored files and the key service,
 * without the database. The object is opened as it is for a download, and checked wholly before anything is proven.
 */
import type { ArchiveReader } from "@rainlogs/verify/ArchiveReader"
import { type ObjectEntry, printEntry } from "@rainlogs/verify/Entry"
import * as Hex from "@rainlogs/verify/Hex"
import { checkpointKey, ledgerPrefix } from "@rainlogs/verify/Layout"
import { publishedEntries, type PublishedLedger } from "@rainlogs/verify/LedgersOf"
import { inclusionProof, nodeHash, type ReadNode } from "@rainlogs/verify/Merkle"
import { sha256 } from "@rainlogs/verify/node/NativeSha256"
import { parseNote } from "@rainlogs/verify/Note"
import { type LineProof, printLineProof } from "@rainlogs/verify/records/LineProof"
import { RecordsRoot } from "@rainlogs/verify/records/RecordsRoot"
import { saltOf } from "@rainlogs/verify/records/Salts"
import { tileNodes } from "@rainlogs/verify/TileNodes"
import { Context, Effect, Layer, Option, Redacted, Schema, Stream } from "effect"
import { CustomerId, JobId, Sha256Hex } from "../domain/Identifier.ts"
import { keyRecordKey, parseKeyRecord, seedContext } from "../secrets/KeyRecord.ts"
import { Kms } from "../secrets/Kms.ts"
import { Opener } from "./Opener.ts"

/** The line cannot be proven; the message says why. */
export class LineNotProvable extends Schema.TaggedError<LineNotProvable>()("LineNotProvable", {
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/** Where a line was found. */
export interface FoundLine {
  readonly entry: ObjectEntry
  readonly leaf: number
  /** Its number in the object, from 0. */
  readonly line: number
  /** Its bytes, without the LF. */
  readonly bytes: Uint8Array
}

/** Which objects are looked at; times in ms. */
export interface LineSearch {
  readonly ledger: PublishedLedger
  readonly chain: string
  readonly from: number
  readonly to: number
  /** Told before each object is opened. */
  readonly onObject?: (done: number, total: number) => void
}

/** Finds and proves lines. */
export class LineProofs extends Context.Service<LineProofs, {
  /** The line of this RayID, in the newest object that has it; none when there is no such line. */
  readonly find: (search: LineSearch, ray: string) => Effect.Effect<Option.Option<FoundLine>, LineNotProvable>
  /** The bytes of the proof of a line that was found. */
  readonly prove: (ledger: PublishedLedger, found: FoundLine) => Effect.Effect<Uint8Array, LineNotProvable>
}>()("@rainlogs/core/LineProofs") {
  /** Proves from the archive that `reader` reads. */
  static readonly layer = (reader: ArchiveReader): Layer.Layer<LineProofs, never, Opener | Kms> =>
    Layer.effect(LineProofs, make(reader))
}

const detailOf = (error: unknown): string =>
  error instanceof Error && error.message !== "" ? error.message : JSON.stringify(error)
const attempt = <A>(run: () => Promise<A>) =>
  Effect.tryPromise({ try: run, catch: (cause) => new LineNotProvable({ detail: detailOf(cause) }) })

const lineFeed = 0x0a

// Complete subtrees over the leaves that one pass has hashed.
const nodesOf = (leaves: ReadonlyArray<Uint8Array>): ReadNode => {
  const read = (level: number, index: number): Uint8Array => {
    const leaf = leaves[index]
    if (level === 0) {
      if (leaf === undefined) throw new RangeError(`there is no line ${index}`)
      return leaf
    }
    return nodeHash(read(level - 1, 2 * index), read(level - 1, 2 * index + 1), sha256)
  }
  return read
}

const make = Effect.fnUntraced(function*(reader: ArchiveReader) {
  const opener = yield* Opener
  const kms = yield* Kms

  const open = (entry: ObjectEntry) => {
    const { codec, dek, encryption, fidelity, key, object, origin, plainSize, records, size } = entry
    return opener.open({
      origin,
      customer: CustomerId.make(origin.slice(-36)),
      job: JobId.make(entry.job),
      object: {
        key,
        sha256: Sha256Hex.make(object),
        size,
        codec,
        encryption,
        dek,
        records,
        plainSize,
        fidelity,
        params: null,
        recordsRoot: null
      }
    })
  }

  // Every whole line of the object, in order; a line may come in several pieces.
  const eachLine = (entry: ObjectEntry, use: (line: Uint8Array, number: number) => void) =>
    Effect.gen(function*() {
      let rest = Buffer.alloc(0)
      let number = 0
      yield* Stream.runForEach(open(entry), (bytes) =>
        Effect.sync(() => {
          const block = Buffer.concat([rest, bytes])
          let from = 0
          for (let end = block.indexOf(lineFeed); end >= 0; end = block.indexOf(lineFeed, from)) {
            use(block.subarray(from, end), number++)
            from = end + 1
          }
          rest = Buffer.from(block.subarray(from))
        }))
    }).pipe(Effect.mapError((error) => new LineNotProvable({ detail: `${entry.key}: ${detailOf(error)}` })))

  const objectsOf = ({ chain, from, ledger, to }: LineSearch) =>
    attempt(async () => {
      const objects: Array<{ entry: ObjectEntry; leaf: number }> = []
      for await (const { entry, leaf } of publishedEntries(reader, ledgerPrefix(ledger.origin), ledger.size)) {
        if (entry.kind !== "object" || entry.key === null || entry.chain !== chain) continue
        if (entry.window.from < to && from < entry.window.to) objects.push({ entry, leaf })
      }
      return objects.toReversed()
    })

  const rayOf = (line: Uint8Array): unknown => {
    const value: unknown = JSON.parse(Buffer.from(line).toString())
    return typeof value === "object" && value !== null && "RayID" in value ? value.RayID : undefined
  }

  const find = Effect.fn("LineProofs.find")(function*(search: LineSearch, ray: string) {
    const objects = yield* objectsOf(search)
    for (const [done, { entry, leaf }] of objects.entries()) {
      search.onObject?.(done, objects.length)
      let found: FoundLine | null = null
      yield* eachLine(entry, (line, number) => {
        // Looking for the text first: most lines need not be parsed.
        if (found !== null || !Buffer.from(line.buffer, line.byteOffset, line.length).includes(ray)) return
        if (rayOf(line) === ray) found = { entry, leaf, line: number, bytes: new Uint8Array(line) }
      })
      if (found !== null) return Option.some<FoundLine>(found)
    }
    return Option.none<FoundLine>()
  })

  const seedOf = Effect.fnUntraced(function*({ dek, job, object, origin }: ObjectEntry) {
    const failed = (detail: string) => new LineNotProvable({ detail })
    if (dek === null) return yield* failed("the object is not encrypted, so there is no record of its salts")
    const bytes = yield* attempt(() => reader.read(keyRecordKey(dek)))
    if (bytes === null) {
      return yield* failed("the object's key record was destroyed: nothing of it can be shown any more")
    }
    const record = yield* attempt(async () => parseKeyRecord(bytes))
    if (record.wrappedSeed === null || record.object !== object) {
      return yield* failed("the object was sealed without a records root (RAINLOGS_RECORDS_ROOT=off)")
    }
    const { kek, wrappedSeed } = record
    const customer = CustomerId.make(origin.slice(-36))
    const seed = yield* kms.unwrap(customer, { kek, bytes: wrappedSeed }, seedContext(origin, job, kek)).pipe(
      Effect.mapError((error) => failed(error.detail))
    )
    return Redacted.value(seed)
  })

  const prove = Effect.fn("LineProofs.prove")(function*(ledger: PublishedLedger, found: FoundLine) {
    const { entry, leaf, line } = found
    const seed = yield* seedOf(entry)
    const root = new RecordsRoot(seed, sha256)
    const leaves: Array<Uint8Array> = []
    yield* eachLine(entry, (bytes) =>
      root.add(bytes, (level, _, hash) => {
        if (level === 0) leaves.push(hash)
      }))
    if (entry.recordsRoot !== Hex.encode(root.root())) {
      const detail = "the lines do not give the records root of the entry: run rainlogs fsck --deep"
      return yield* new LineNotProvable({ detail })
    }
    return yield* attempt(async () => {
      const served = await reader.read(checkpointKey(ledger.origin))
      if (served === null) throw new Error("the served checkpoint is gone")
      const proof: LineProof = {
        line,
        salt: saltOf(seed, line),
        path: await inclusionProof(nodesOf(leaves), line, leaves.length),
        entry: {
          extra: printEntry(entry),
          index: leaf,
          hashes: await inclusionProof(tileNodes(reader, ledger.origin, ledger.size), leaf, ledger.size),
          checkpoint: parseNote(served)
        }
      }
      return printLineProof(proof)
    })
  })

  return LineProofs.of({ find, prove })
})
