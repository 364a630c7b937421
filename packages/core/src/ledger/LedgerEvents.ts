/**
 * Writes the ledger's own documents: genesis and policy when it opens, heartbeats, gaps. A document is durable in the
 * object store before its entry is appended, and what to append is decided under the ledger's lock, so that a crash
 * or a second process changes nothing.
 */
import { decode } from "@rainlogs/verify/Ascii"
import { controlChain } from "@rainlogs/verify/Chain"
import { parseEntry } from "@rainlogs/verify/Entry"
import { heartbeatSource, parseGap } from "@rainlogs/verify/Gap"
import { sha256 } from "@rainlogs/verify/Hash"
import { parseHeartbeat } from "@rainlogs/verify/Heartbeat"
import * as Hex from "@rainlogs/verify/Hex"
import { parseNote } from "@rainlogs/verify/Note"
import { parsePolicy } from "@rainlogs/verify/Policy"
import { Context, Effect, Layer, Option, Schema, Stream } from "effect"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import type { Origin } from "../domain/Customer.ts"
import { defaultPolicy, type Policy } from "../domain/Policy.ts"
import { dropFormerKeys, keepSealedKeys } from "../recovery/SignerCatalog.ts"
import { ObjectStore, type StorageError } from "../storage/ObjectStore.ts"
import type { EventDraft } from "./EntryDraft.ts"
import {
  anchoredDocument,
  type AnchoredFacts,
  gapDocument,
  type GapFacts,
  genesisText,
  heartbeatDocument,
  missedHeartbeats,
  policyText
} from "./EventDocuments.ts"
import { dueAfter, epochOf, type HeartbeatRules, nextStep } from "./HeartbeatSchedule.ts"
import { continues, makeKeyChains } from "./KeyChain.ts"
import * as Documents from "./LedgerDocuments.ts"
import { draftOf, type StoredDocument } from "./LedgerDocuments.ts"
import { type LedgerOf, type LedgerSnapshot, LedgerStore } from "./LedgerStore.ts"
import { chainPrepared } from "./PreparedKeys.ts"
import { Signer, type SignerUnavailable } from "./Signer.ts"

/** The ledger was opened with other keys than this signer's: its state or its directory is not the one it had. */
export class GenesisMismatch extends Schema.TaggedError<GenesisMismatch>()("GenesisMismatch", {
  origin: Schema.String,
  detail: Schema.String
}) {}

/** The policy cannot be written in the ledger format; `detail` says which rule it breaks. */
export class PolicyInvalid extends Schema.TaggedError<PolicyInvalid>()("PolicyInvalid", {
  origin: Schema.String,
  detail: Schema.String
}) {}

/** The genesis document of an origin with the signer's keys; always the same bytes, for Ed25519 has no randomness. */
export const genesisDocument = (
  signer: Signer["Service"],
  origin: Origin
): Effect.Effect<Uint8Array, SignerUnavailable> =>
  Effect.flatMap(signer.keys(origin), (keys) => signer.signDocument(origin, genesisText(origin, keys)))

/** Writes a ledger's own documents. */
export class LedgerEvents extends Context.Service<LedgerEvents, {
  /**
   * Makes sure that genesis and policy are in the ledger, as its first two entries when it is called before anything
   * else is appended. May be called at any time and by several processes; `policy` counts only the first time.
   */
  readonly open: (
    ledger: LedgerOf,
    policy?: Policy
  ) => Effect.Effect<void, GenesisMismatch | PolicyInvalid | SignerUnavailable | StorageError | DatabaseError>
  /** Stores a gap document, for `WindowLedger.declareGap` to append. */
  readonly gap: (ledger: LedgerOf, gap: GapFacts) => Effect.Effect<StoredDocument, StorageError>
  /** Appends a gap of the ledger's own doings (not of a source's windows); again, it is the same entry. */
  readonly declare: (ledger: LedgerOf, gap: GapFacts, now: number) => Effect.Effect<void, StorageError | DatabaseError>
  /** Appends the event that chains a stored receipt; again, it is the same entry. */
  readonly anchored: (
    ledger: LedgerOf,
    facts: AnchoredFacts,
    now: number
  ) => Effect.Effect<void, StorageError | DatabaseError>
  /**
   * Appends what is due at `now` (Unix ms): one gap that excuses missed epochs, the heartbeat of the last ended epoch,
   * both or nothing; true if it appended. Nothing before the genesis.
   */
  readonly heartbeats: (ledger: LedgerOf, now: number) => Effect.Effect<boolean, StorageError | DatabaseError>
}>()("@rainlogs/core/LedgerEvents") {}

// Epochs accounted for and the rules they were counted by, as far as this process has seen: a lower bound.
interface Seen {
  readonly accounted: number
  readonly rules: HeartbeatRules
}

const make = Effect.gen(function*() {
  const store = yield* LedgerStore
  const objects = yield* ObjectStore
  const signer = yield* Signer
  const seen = new Map<Origin, Seen>()
  const keyChainOf = makeKeyChains(store, objects)

  const putDocument = (origin: Origin, bytes: Uint8Array) => Documents.putDocument(objects, origin, bytes)
  const readDocument = <A>(origin: Origin, hash: string, parse: (bytes: Uint8Array) => A) =>
    Documents.readDocument(objects, origin, hash, parse)

  const open = Effect.fn("LedgerEvents.open")(function*(ledger: LedgerOf, policy: Policy = defaultPolicy) {
    const { origin } = ledger
    const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    const keyChain = yield* keyChainOf(ledger)
    if (keyChain.length > 0) {
      if (!continues(keyChain, (yield* signer.keys(origin)).log)) {
        const detail = "the chain names newer keys than the signer's: restore the signer directory of the last change"
        return yield* new GenesisMismatch({ origin, detail })
      }
    } else yield* openFirst(ledger, now)
    yield* chainPrepared({ store, objects, signer }, ledger, now)
    yield* dropFormerKeys(signer, objects, origin)
    const text = yield* Effect.try({
      try: () => policyText(origin, policy),
      catch: (error) => new PolicyInvalid({ origin, detail: String(error) })
    })
    if (Option.isSome(yield* store.lastEvent(ledger, "policy"))) return
    const signed = yield* signer.signDocument(origin, text)
    yield* store.appendAt(ledger, now, () =>
      Effect.gen(function*() {
        if (Option.isSome(yield* store.lastEvent(ledger, "policy"))) return Option.none()
        return Option.some(draftOf(origin, "policy", yield* putDocument(origin, signed)))
      }))
  })

  // The genesis, with the signer's keys kept sealed before it names them.
  const openFirst = Effect.fnUntraced(function*(ledger: LedgerOf, now: number) {
    const { origin } = ledger
    const genesis = yield* genesisDocument(signer, origin)
    if (Option.isNone(yield* store.lastEvent(ledger, "genesis"))) {
      yield* keepSealedKeys(signer, objects, origin)
      yield* store.appendAt(ledger, now, (snapshot) =>
        snapshot.size > 0
          ? Effect.succeedNone
          : Effect.map(putDocument(origin, genesis), (document) => Option.some(draftOf(origin, "genesis", document))))
    }
    const first = yield* store.lastEvent(ledger, "genesis")
    if (Option.isNone(first) || first.value.documentSha256 !== Hex.encode(sha256(genesis))) {
      const detail = Option.isNone(first)
        ? "the ledger has entries but no genesis"
        : "the genesis names other keys than the signer's: restore the signer directory this ledger was opened with"
      return yield* new GenesisMismatch({ origin, detail })
    }
    // A ledger that an earlier version opened has no sealed keys yet.
    yield* keepSealedKeys(signer, objects, origin)
  })

  const rulesInForce = Effect.fnUntraced(function*(ledger: LedgerOf) {
    const last = yield* store.lastEvent(ledger, "policy")
    if (Option.isNone(last)) {
      return { epochMs: defaultPolicy.heartbeatEpochMs, toleranceMs: defaultPolicy.heartbeatToleranceMs }
    }
    const { heartbeat } = yield* readDocument(
      ledger.origin,
      last.value.documentSha256,
      (bytes) => parsePolicy(parseNote(bytes).text)
    )
    return { epochMs: heartbeat.epoch, toleranceMs: heartbeat.tolerance }
  })

  // The last epoch excused by a gap among the rows from `from` on, or `otherwise`.
  const lastExcused = (ledger: LedgerOf, from: number, size: number, rules: HeartbeatRules, otherwise: number) =>
    store.rows(ledger, from, size).pipe(
      Stream.map((row) => parseEntry(row.entry)),
      Stream.filter((entry) => entry.kind === "gap" && entry.chain === controlChain),
      Stream.mapEffect((entry) => readDocument(ledger.origin, entry.object, (bytes) => parseGap(decode(bytes)))),
      Stream.filter((gap) => gap.chain === controlChain && gap.source === heartbeatSource),
      Stream.runFold(() => otherwise, (last, gap) => Math.max(last, Math.ceil(gap.to / rules.epochMs) - 1))
    )

  const accountedFor = Effect.fnUntraced(function*(ledger: LedgerOf, snapshot: LedgerSnapshot, rules: HeartbeatRules) {
    const genesis = yield* store.lastEvent(ledger, "genesis")
    if (Option.isNone(genesis)) return Option.none<number>()
    const last = yield* store.lastEvent(ledger, "heartbeat")
    if (Option.isNone(last)) {
      const before = epochOf(genesis.value.time, rules) - 1
      return Option.some(yield* lastExcused(ledger, 0, snapshot.size, rules, before))
    }
    const heartbeat = yield* readDocument(
      ledger.origin,
      last.value.documentSha256,
      (bytes) => parseHeartbeat(decode(bytes))
    )
    return Option.some(yield* lastExcused(ledger, heartbeat.treeSize + 1, snapshot.size, rules, heartbeat.epoch))
  })

  // Decides, under the ledger's lock, what comes next, and makes its document durable.
  const decide = Effect.fnUntraced(function*(ledger: LedgerOf, now: number, snapshot: LedgerSnapshot) {
    const { origin } = ledger
    const rules = yield* rulesInForce(ledger)
    const accounted = yield* accountedFor(ledger, snapshot, rules)
    if (Option.isNone(accounted)) return Option.none<EventDraft>()
    seen.set(origin, { accounted: accounted.value, rules })
    // An entry's time is never before that of the entries ahead of it.
    const next = nextStep(accounted.value, Math.max(now, snapshot.lastTime ?? 0), rules)
    switch (next.step) {
      case "none":
        return Option.none<EventDraft>()
      case "gap": {
        const facts = missedHeartbeats(next.first, next.last, rules.epochMs, now)
        return Option.some(draftOf(origin, "gap", yield* putDocument(origin, gapDocument(origin, facts))))
      }
      case "heartbeat": {
        const document = yield* putDocument(origin, heartbeatDocument(origin, next.epoch, snapshot))
        return Option.some(draftOf(origin, "heartbeat", document))
      }
    }
  })

  const heartbeats = Effect.fn("LedgerEvents.heartbeats")(function*(ledger: LedgerOf, now: number) {
    const known = seen.get(ledger.origin)
    if (known !== undefined && now < dueAfter(known.accounted, known.rules)) return false
    const step = store.appendAt(ledger, now, (snapshot) => decide(ledger, now, snapshot))
    let appended = false
    while (yield* step) appended = true
    return appended
  })

  return LedgerEvents.of({
    open,
    declare: Effect.fn("LedgerEvents.declare")(function*(ledger, gap, now) {
      const document = yield* putDocument(ledger.origin, gapDocument(ledger.origin, gap))
      yield* store.append(ledger, draftOf(ledger.origin, "gap", document), now)
    }),
    anchored: Effect.fn("LedgerEvents.anchored")(function*(ledger, facts, now) {
      const document = yield* putDocument(ledger.origin, anchoredDocument(ledger.origin, facts))
      yield* store.append(ledger, draftOf(ledger.origin, "anchored", document), now)
    }),
    gap: Effect.fn("LedgerEvents.gap")((ledger, gap) => putDocument(ledger.origin, gapDocument(ledger.origin, gap))),
    heartbeats
  })
})

/** Requires `LedgerStore`, `ObjectStore` and `Signer`. */
export const layer: Layer.Layer<LedgerEvents, never, LedgerStore | ObjectStore | Signer> = Layer.effect(
  LedgerEvents,
  make
)
