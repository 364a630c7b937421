/**
 * Goes on with a change of keys that a process began: the keys that are prepared at the signer are chained.
 */
import { parseKeys } from "@rainlogs/verify/Keys"
import { parseNote } from "@rainlogs/verify/Note"
import { sameKey } from "@rainlogs/verify/VerifierKey"
import { Effect, Option } from "effect"
import { keepSealedKeys } from "../recovery/SignerCatalog.ts"
import type { ObjectStore } from "../storage/ObjectStore.ts"
import { makeKeyChains } from "./KeyChain.ts"
import { draftOf, putDocument } from "./LedgerDocuments.ts"
import type { LedgerOf, LedgerStore } from "./LedgerStore.ts"
import type { Signer } from "./Signer.ts"

/**
 * Chains the document of prepared keys, if there is one and it follows the keys in force; true if it was chained now.
 * Done whenever a ledger is opened, so that a change that was broken off goes on by itself.
 */
export const chainPrepared = Effect.fn("PreparedKeys.chain")(function*(
  ports: {
    readonly store: LedgerStore["Service"]
    readonly objects: ObjectStore["Service"]
    readonly signer: Signer["Service"]
  },
  ledger: LedgerOf,
  now: number
) {
  const { objects, signer, store } = ports
  const { origin } = ledger
  const prepared = yield* signer.preparedKeys(origin)
  if (Option.isNone(prepared)) return false
  const { document } = prepared.value
  yield* keepSealedKeys(signer, objects, origin)
  const change = parseKeys(parseNote(document).text)
  return yield* store.appendAt(ledger, now, () =>
    Effect.gen(function*() {
      const last = (yield* makeKeyChains(store, objects)(ledger)).at(-1)
      if (last !== undefined && sameKey(last.keys.log, change.log)) {
        yield* signer.adoptKeys(origin)
        return Option.none()
      }
      // Another change overtook it: its version is taken.
      if (change.version !== (last?.keys.version ?? 1) + 1) return Option.none()
      return Option.some(draftOf(origin, "keys", yield* putDocument(objects, origin, document)))
    })).pipe(Effect.tap((chained) => chained ? signer.adoptKeys(origin) : Effect.void))
})
