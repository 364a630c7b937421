/**
 * Reads a ledger's tiles back from the object store: its right edge, and consistency proofs. Each reads a number of
 * tiles that grows with the logarithm of the tree.
 */
import { ledgerKey } from "@rainlogs/verify/Layout"
import { consistencyProof } from "@rainlogs/verify/Merkle"
import { tileHeight, tilePath, tileWidth } from "@rainlogs/verify/Tile"
import { Effect, Schema } from "effect"
import type { Origin } from "../domain/Customer.ts"
import type { ObjectMissing, ObjectStore, StorageError } from "../storage/ObjectStore.ts"
import { edgeTiles, foldHashes, type RightEdge } from "./GrowingTree.ts"

/** Stored tiles, SQL and signer do not agree. Nothing more may be signed until a person has looked. */
export class LedgerMismatch extends Schema.TaggedError<LedgerMismatch>()("LedgerMismatch", {
  origin: Schema.String,
  detail: Schema.String
}) {}

type Objects = ObjectStore["Service"]

/** What reading tiles can fail with. */
export type TileFailure = LedgerMismatch | ObjectMissing | StorageError

/**
 * The first `width` hashes of a tile. A partial tile that is gone is read from the full one, which tlog-tiles allows
 * to replace it.
 */
export const readTile = Effect.fnUntraced(
  function*(objects: Objects, origin: Origin, level: number, index: number, width: number) {
    const read = (stored: number) => {
      const path = tilePath(level, index, stored)
      return Effect.flatMap(objects.getBytes(ledgerKey(origin, path)), (bytes) => {
        const detail = `${path} has ${bytes.length} bytes, expected ${stored * 32}`
        return bytes.length === stored * 32
          ? Effect.succeed(bytes)
          : Effect.fail(new LedgerMismatch({ origin, detail }))
      })
    }
    const bytes = yield* read(width).pipe(
      Effect.catchTag("ObjectMissing", (missing) => width === tileWidth ? Effect.fail(missing) : read(tileWidth))
    )
    return Array.from({ length: width }, (_, i) => bytes.slice(i * 32, i * 32 + 32))
  }
)

/** The partial tiles of a tree of `size` leaves, one read per level. */
export const readEdge = (objects: Objects, origin: Origin, size: number): Effect.Effect<RightEdge, TileFailure> =>
  Effect.forEach(
    edgeTiles(size),
    ({ index, level, width }) => width === 0 ? Effect.succeed([]) : readTile(objects, origin, level, index, width),
    { concurrency: 4 }
  )

/** The consistency proof from `from` (at least 1) to `to` leaves, from the stored tiles of a tree of `to` leaves. */
export const readConsistencyProof = Effect.fnUntraced(
  function*(objects: Objects, origin: Origin, from: number, to: number) {
    // Which nodes a proof takes depends on the sizes alone: find out, read them, then make it.
    const nodes = new Map<string, { readonly level: number; readonly index: number }>()
    yield* Effect.promise(() =>
      consistencyProof(
        (level, index) => {
          nodes.set(`${level}/${index}`, { level, index })
          return new Uint8Array(32)
        },
        from,
        to
      )
    )
    const tiles = new Map<string, ReadonlyArray<Uint8Array>>()
    const hashes = new Map<string, Uint8Array>()
    for (const [name, { index, level }] of nodes) {
      const tileLevel = Math.floor(level / tileHeight)
      const span = 2 ** (level % tileHeight)
      const first = index * span
      const tileIndex = Math.floor(first / tileWidth)
      const inLevel = Math.floor(to / tileWidth ** tileLevel)
      const width = Math.min(tileWidth, inLevel - tileIndex * tileWidth)
      const key = `${tileLevel}/${tileIndex}`
      const tile = tiles.get(key) ?? (yield* readTile(objects, origin, tileLevel, tileIndex, width))
      tiles.set(key, tile)
      hashes.set(name, foldHashes(tile.slice(first % tileWidth, first % tileWidth + span)))
    }
    return yield* Effect.promise(() =>
      consistencyProof((level, index) => hashes.get(`${level}/${index}`) ?? new Uint8Array(0), from, to)
    )
  }
)
