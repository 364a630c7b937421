/**
 * All keys that a ledger's chain has named, from the genesis on.
 */
import { parseGenesis } from "@rainlogs/verify/Genesis"
import type { Revocation } from "@rainlogs/verify/Keys"
import { parseNote } from "@rainlogs/verify/Note"
import { parseVerifierKey, printKeyId, printVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Context, Effect, Layer, Option } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import { ObjectStore, type StorageError } from "../storage/ObjectStore.ts"
import { makeKeyChains } from "./KeyChain.ts"
import { readDocument } from "./LedgerDocuments.ts"
import { type LedgerOf, LedgerStore } from "./LedgerStore.ts"

/** Keys as the chain names them, both in vkey form. `seq` is the entry's place in the control chain. */
export interface ChainedKeys {
  readonly version: number
  readonly log: string
  readonly clock: string
  readonly fromSize: number
  readonly seq: number
  /** SHA-256 (hex) of the document, a genesis or a change of keys. */
  readonly documentSha256: string
  /** When they were chained, Unix ms. */
  readonly time: number
  /** The list of revoked keys that came with them. */
  readonly revoked: ReadonlyArray<Revocation>
}

/** The id of a key as it is written: 8 hex digits. */
export const keyId = (vkey: string): string => printKeyId(parseVerifierKey(vkey).id)

/** Reads the keys of ledgers. */
export class KeyHistory extends Context.Service<KeyHistory, {
  /** The keys of a ledger, the first from the genesis; none before the ledger is open. */
  readonly of: (ledger: LedgerOf) => Effect.Effect<ReadonlyArray<ChainedKeys>, StorageError | DatabaseError>
}>()("@rainlogs/core/KeyHistory") {
  static readonly layer: Layer.Layer<KeyHistory, never, LedgerStore | ObjectStore> = Layer.effect(
    KeyHistory,
    Effect.gen(function*() {
      return makeKeyHistory(yield* LedgerStore, yield* ObjectStore)
    })
  )
}

/** The same on given ports. */
export const makeKeyHistory = (
  store: LedgerStore["Service"],
  objects: ObjectStore["Service"]
): KeyHistory["Service"] => {
  const keyChainOf = makeKeyChains(store, objects)
  const of = Effect.fn("KeyHistory.of")(function*(ledger: LedgerOf) {
    const first = yield* store.lastEvent(ledger, "genesis")
    if (Option.isNone(first)) return []
    const { documentSha256, seq, time } = first.value
    const genesis = yield* readDocument(
      objects,
      ledger.origin,
      documentSha256,
      (bytes) => parseGenesis(parseNote(bytes).text)
    )
    const begin: ChainedKeys = {
      version: 1,
      log: printVerifierKey(genesis.log),
      clock: printVerifierKey(genesis.clock),
      fromSize: 0,
      seq,
      documentSha256,
      time,
      revoked: []
    }
    const changes = (yield* keyChainOf(ledger)).map(({ documentSha256, fromSize, keys, seq, time }): ChainedKeys => ({
      version: keys.version,
      log: printVerifierKey(keys.log),
      clock: printVerifierKey(keys.clock),
      fromSize,
      seq,
      documentSha256,
      time,
      revoked: keys.revoked
    }))
    return [begin, ...changes]
  })

  return KeyHistory.of({ of })
}
