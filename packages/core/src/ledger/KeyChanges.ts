/**
 * Changes a ledger's keys (ledger format §4): makes new ones, chains the document that names them and puts them in use.
 *
 * The order is: prepared keys durable at the signer → sealed copy in the archive → document → entry in SQL → the next
 * checkpoint. A change is decided when the prepared keys are durable: killed later, at whatever step, the next opening of
 * the ledger goes on with the same keys and the same document. The new log key signs first the first checkpoint that
 * covers the entry; that signature overwrites the old seeds. So at no time two keys sign, and no checkpoint carries a
 * signature of a key that the chain does not name.
 */
import { printKeys, type Revocation } from "@rainlogs/verify/Keys"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Context, Effect, Layer, Option, Schema } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import { dropFormerKeys, keepSealedKeys } from "../recovery/SignerCatalog.ts"
import { ObjectStore, type StorageError } from "../storage/ObjectStore.ts"
import { type ChainedKeys, keyId, makeKeyHistory } from "./KeyHistory.ts"
import { draftOf, putDocument } from "./LedgerDocuments.ts"
import { type LedgerOf, LedgerStore } from "./LedgerStore.ts"
import { chainPrepared } from "./PreparedKeys.ts"
import { Publisher } from "./Publisher.ts"
import { Signer, type SignerUnavailable } from "./Signer.ts"

/** The change is not possible; `detail` says why and what to do. Nothing was changed. */
export class KeysRefused extends Schema.TaggedError<KeysRefused>()("KeysRefused", {
  origin: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `The keys of ${this.origin} were not changed: ${this.detail}.`
  }
}

/** Since when keys are not to be believed (Unix ms), and why, in one word. */
export interface RevocationFacts {
  readonly since: number
  readonly reason: string
}

/** `finished`: a change that had been broken off is done now, and no other was begun. */
export interface KeysChanged {
  readonly outcome: "changed" | "finished"
  readonly keys: ChainedKeys
  /** Why the new key does not sign yet, or null: the change is chained, and the next publication takes it over. */
  readonly pending: string | null
}

type Failure = KeysRefused | SignerUnavailable | StorageError | DatabaseError

/** Reads and changes the keys of a ledger. */
export class KeyChanges extends Context.Service<KeyChanges, {
  /**
   * Makes new keys. With `revoke` those in use come on the list of revoked keys. Two at once are one change. `now` in ms.
   */
  readonly rotate: (
    ledger: LedgerOf,
    revoke: RevocationFacts | null,
    now: number
  ) => Effect.Effect<KeysChanged, Failure>
  /** Puts an earlier key (id of 8 hex digits) on the list of revoked keys; those in use stay. */
  readonly revokeFormer: (
    ledger: LedgerOf,
    id: string,
    revoke: RevocationFacts,
    now: number
  ) => Effect.Effect<KeysChanged, Failure>
}>()("@rainlogs/core/KeyChanges") {
  static readonly layer: Layer.Layer<KeyChanges, never, LedgerStore | ObjectStore | Signer | Publisher> = Layer.effect(
    KeyChanges,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function*() {
  const store = yield* LedgerStore
  const objects = yield* ObjectStore
  const signer = yield* Signer
  const publisher = yield* Publisher
  const history = makeKeyHistory(store, objects)
  const ports = { store, objects, signer }

  const refused = (ledger: LedgerOf, detail: string) => new KeysRefused({ origin: ledger.origin, detail })

  const openHistory = Effect.fnUntraced(function*(ledger: LedgerOf) {
    const known = yield* history.of(ledger)
    const newest = known.at(-1)
    return newest === undefined
      ? yield* refused(ledger, "the ledger has no genesis yet: start the appliance once, then try again")
      : { known, newest }
  })

  // Publishes, so that the new key signs at once, and the old one is gone.
  const takeOver = Effect.fnUntraced(function*(ledger: LedgerOf, outcome: KeysChanged["outcome"]) {
    const published = yield* publisher.publish(ledger)
    const { newest } = yield* openHistory(ledger)
    const { log } = yield* signer.keys(ledger.origin)
    const pending = log === newest.log
      ? null
      : published.outcome === "halted"
      ? `nothing is signed for this ledger: ${published.reason}`
      : "another process publishes this ledger now"
    if (pending === null) yield* dropFormerKeys(signer, objects, ledger.origin)
    return { outcome, keys: newest, pending }
  })

  // What an earlier call left undone; none if there is nothing.
  const finish = Effect.fnUntraced(function*(ledger: LedgerOf, now: number) {
    const chained = yield* chainPrepared(ports, ledger, now)
    const { newest } = yield* openHistory(ledger)
    const { log } = yield* signer.keys(ledger.origin)
    return chained || log !== newest.log ? Option.some(yield* takeOver(ledger, "finished")) : Option.none()
  })

  const checkFacts = (ledger: LedgerOf, { reason, since }: RevocationFacts, now: number) =>
    !Number.isSafeInteger(since) || since < 0 || since > now
      ? Effect.fail(refused(ledger, "the time of a revocation is not before now"))
      : !/^[a-z][a-z0-9-]{0,63}$/.test(reason)
      ? Effect.fail(refused(ledger, `the reason "${reason}" is not one word of a-z, 0-9 and "-"`))
      : Effect.void

  // The document of the keys after version `expected`; none if that is no longer the newest, or not in use yet.
  const begin = (
    ledger: LedgerOf,
    expected: number,
    ids: ReadonlyArray<number>,
    revoke: RevocationFacts | null,
    now: number
  ) =>
    store.appendAt(ledger, now, () =>
      Effect.gen(function*() {
        const { newest } = yield* openHistory(ledger)
        const used = yield* signer.keys(ledger.origin)
        if (newest.version !== expected || used.log !== newest.log) return Option.none()
        const revoked = revoke === null
          ? newest.revoked
          : withRevoked(newest.revoked, [...ids, ...idsOf(used)], revoke)
        const { document } = yield* signer.prepareKeys({ origin: ledger.origin, version: expected + 1, revoked })
        yield* keepSealedKeys(signer, objects, ledger.origin)
        return Option.some(draftOf(ledger.origin, "keys", yield* putDocument(objects, ledger.origin, document)))
      }))

  const rotate = Effect.fn("KeyChanges.rotate")(
    function*(ledger: LedgerOf, revoke: RevocationFacts | null, now: number) {
      if (revoke !== null) yield* checkFacts(ledger, revoke, now)
      const { newest } = yield* openHistory(ledger)
      // What a revocation is about: the keys in use when it was asked for.
      const asked = idsOf(yield* signer.keys(ledger.origin))
      const isDone = ({ revoked }: ChainedKeys) =>
        revoke === null || asked.every((id) => revoked.some((revocation) => revocation.id === id))
      let last = yield* finish(ledger, now)
      for (;;) {
        if (Option.isSome(last)) {
          // A change that was broken off, or that another call made, is this one's too if it says as much.
          const { keys, pending } = last.value
          if (isDone(keys)) return last.value
          if (pending !== null) {
            return yield* refused(ledger, `a change before is not in use yet, ${pending}. Try again`)
          }
        }
        const expected = Option.match(last, { onNone: () => newest.version, onSome: ({ keys }) => keys.version })
        const begun = yield* begin(ledger, expected, asked, revoke, now)
        if (begun) yield* signer.adoptKeys(ledger.origin)
        const result = yield* takeOver(ledger, begun ? "changed" : "finished")
        if (begun) return result
        last = Option.some(result)
      }
    }
  )

  const revokeFormer = Effect.fn("KeyChanges.revokeFormer")(
    function*(ledger: LedgerOf, id: string, revoke: RevocationFacts, now: number) {
      yield* checkFacts(ledger, revoke, now)
      const unfinished = yield* finish(ledger, now)
      if (Option.isSome(unfinished) && unfinished.value.pending !== null) {
        return yield* refused(ledger, `a change before is not in use yet, ${unfinished.value.pending}. Try again`)
      }
      yield* store.appendAt(ledger, now, () =>
        Effect.gen(function*() {
          const { known, newest } = yield* openHistory(ledger)
          const objection = objectionToRevoking(known, id)
          if (objection !== null) return yield* refused(ledger, objection)
          const text = printKeys({
            origin: ledger.origin,
            version: newest.version + 1,
            previous: parseVerifierKey(newest.log),
            log: parseVerifierKey(newest.log),
            clock: parseVerifierKey(newest.clock),
            revoked: withRevoked(newest.revoked, [Number.parseInt(id, 16)], revoke)
          })
          const document = yield* signer.signDocument(ledger.origin, text)
          return Option.some(draftOf(ledger.origin, "keys", yield* putDocument(objects, ledger.origin, document)))
        }))
      return yield* takeOver(ledger, "changed")
    }
  )

  return KeyChanges.of({ rotate, revokeFormer })
})

const idsOf = ({ clock, log }: { readonly log: string; readonly clock: string }): ReadonlyArray<number> =>
  [log, clock].map((vkey) => parseVerifierKey(vkey).id)

const objectionToRevoking = (known: ReadonlyArray<ChainedKeys>, id: string): string | null => {
  const newest = known.at(-1)
  const has = (keys: ChainedKeys) => keyId(keys.log) === id || keyId(keys.clock) === id
  if (newest !== undefined && has(newest)) return `the key ${id} is in use: revoke it by making new ones`
  if (!known.some(has)) return `the chain names no key ${id}; "rainlogs keys show" lists them`
  return null
}

// An earlier time stays: a key that was distrusted from some moment on does not become trusted again.
const withRevoked = (
  revoked: ReadonlyArray<Revocation>,
  ids: ReadonlyArray<number>,
  { reason, since }: RevocationFacts
): ReadonlyArray<Revocation> => {
  const byId = new Map(revoked.map((revocation) => [revocation.id, revocation]))
  for (const id of ids) {
    const known = byId.get(id)
    if (known === undefined || since < known.since) byId.set(id, { id, since, reason })
  }
  return [...byId.values()].sort((left, right) => left.id - right.id)
}
