/**
 * Places and releases legal holds (ledger format §7). Anybody with the customer's key may place one, for it only keeps
 * things; a release needs the quorum of approvers of the policy in force, by the verifier's own rule. Both are decided
 * under the ledger's lock, so no erasure begins between the decision and the entry.
 */
import { verify } from "@rainlogs/verify/Ed25519"
import { type Hold, type HoldScope, printHold } from "@rainlogs/verify/Hold"
import { type Note, verifyNote } from "@rainlogs/verify/Note"
import { parseRelease, printRelease, type Release } from "@rainlogs/verify/Release"
import { approvals, hasQuorum } from "@rainlogs/verify/verification/Policies"
import { Context, Effect, Layer, Option } from "effect"
import { randomUUID } from "node:crypto"
import { readApprovable } from "../approval/Approval.ts"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import { signWithApprovals } from "../ledger/ApprovedNote.ts"
import { draftOf, putDocument } from "../ledger/LedgerDocuments.ts"
import { type LedgerOf, LedgerStore } from "../ledger/LedgerStore.ts"
import { PolicyChanges } from "../ledger/PolicyChanges.ts"
import { Signer, type SignerUnavailable } from "../ledger/Signer.ts"
import { ObjectStore, type StorageError } from "../storage/ObjectStore.ts"
import { ErasureStore } from "./ErasureStore.ts"
import { type HoldRecord, HoldStore } from "./HoldStore.ts"
import { HoldMissing, HoldRefused } from "./LifecycleError.ts"

/** What a hold is made of; `id` makes a repeated request the same hold. */
export interface HoldRequest {
  readonly id?: string
  readonly scopes: ReadonlyArray<HoldScope>
  readonly basis: string
}

type Failure = StorageError | DatabaseError | SignerUnavailable

/** The most holds that are active at once: each is looked at for every window that is to be erased. */
export const mostActiveHolds = 1_000

/** Places and releases legal holds. */
export class LegalHolds extends Context.Service<LegalHolds, {
  /** Places a hold; the same request again is the same hold. */
  readonly place: (
    ledger: LedgerOf,
    request: HoldRequest,
    now: number
  ) => Effect.Effect<HoldRecord, HoldRefused | Failure>
  /** The text that approvers sign to end a hold. */
  readonly draftRelease: (
    ledger: LedgerOf,
    id: string,
    basis: string,
    now: number
  ) => Effect.Effect<string, HoldRefused | HoldMissing | DatabaseError>
  /** Ends a hold with a release that the quorum signed; the same release again changes nothing. */
  readonly release: (
    ledger: LedgerOf,
    bytes: Uint8Array,
    now: number
  ) => Effect.Effect<HoldRecord, HoldRefused | HoldMissing | Failure>
}>()("@rainlogs/core/LegalHolds") {}

const sameHold = (left: Hold, right: Hold): boolean =>
  printHold({ ...left, issued: 0 }) === printHold({ ...right, issued: 0 })

const make = Effect.gen(function*() {
  const ledgers = yield* LedgerStore
  const objects = yield* ObjectStore
  const signer = yield* Signer
  const policies = yield* PolicyChanges
  const holds = yield* HoldStore
  const erasures = yield* ErasureStore

  const refused = (detail: string, remedy: string) => new HoldRefused({ detail, remedy })
  const malformed = (error: unknown) =>
    refused(error instanceof Error ? error.message : String(error), "Correct it and send it again.")

  const find = (ledger: LedgerOf, id: string) =>
    Effect.flatMap(
      holds.hold(ledger.customer, id),
      (found) => Option.isSome(found) ? Effect.succeed(found.value) : Effect.fail(new HoldMissing({ id }))
    )

  // What is half erased cannot be held any more, nor can the windows beside it: the report of an erasure names all that
  // was announced (ledger format §7), and under a hold over one of them it would be a violation for good.
  const refuseUnderErasure = Effect.fnUntraced(function*({ customer }: LedgerOf, scopes: ReadonlyArray<HoldScope>) {
    for (const scope of scopes) {
      const found = yield* erasures.executingIn(customer, scope)
      if (Option.isNone(found)) continue
      const { from, id, to, windows } = found.value
      const range = `${new Date(from).toISOString()} to ${new Date(to).toISOString()}`
      return yield* refused(
        `the erasure ${id} is being executed on ${windows} windows of this hold, from ${range}, and some may be gone`,
        `Finish it (rainlogs erase execute ${id}), then place the hold; or hold now what lies before and after.`
      )
    }
  })

  const place = Effect.fn("LegalHolds.place")(function*(ledger: LedgerOf, request: HoldRequest, now: number) {
    const { customer, origin } = ledger
    const hold: Hold = {
      origin,
      id: request.id ?? randomUUID(),
      scopes: request.scopes.toSorted((left, right) =>
        left.chain < right.chain ? -1 : left.chain > right.chain ? 1 : left.from - right.from || left.to - right.to
      ),
      basis: request.basis,
      issued: now
    }
    const text = yield* Effect.try({ try: () => printHold(hold), catch: malformed })
    yield* ledgers.appendAt(ledger, now, () =>
      Effect.gen(function*() {
        const known = yield* holds.hold(customer, hold.id)
        if (Option.isSome(known)) {
          if (sameHold(known.value.hold, hold)) return Option.none()
          return yield* refused(`another hold has the id ${hold.id}`, "Leave the id out, or choose another.")
        }
        if ((yield* holds.active(customer)).length >= mostActiveHolds) {
          return yield* refused(
            `${mostActiveHolds} holds are active, which is the limit`,
            "Put several scopes into one hold, or release holds that have ended."
          )
        }
        yield* refuseUnderErasure(ledger, hold.scopes)
        const document = yield* putDocument(objects, origin, yield* signer.signDocument(origin, text))
        const draft = draftOf(origin, "hold", document)
        yield* holds.place(customer, hold, { job: draft.job, document: document.sha256 })
        return Option.some(draft)
      }))
    return yield* find(ledger, hold.id).pipe(Effect.catchTag("HoldMissing", Effect.die))
  })

  const draftRelease = Effect.fn("LegalHolds.draftRelease")(
    function*(ledger: LedgerOf, id: string, basis: string, now: number) {
      const { released } = yield* find(ledger, id)
      if (released !== null) return yield* alreadyReleased(id)
      const release: Release = { origin: ledger.origin, id: randomUUID(), hold: id, basis, issued: now }
      return yield* Effect.try({ try: () => printRelease(release), catch: malformed })
    }
  )

  const alreadyReleased = (id: string) => refused(`the hold ${id} has been released`, "Nothing is left to do.")

  const release = Effect.fn("LegalHolds.release")(function*(ledger: LedgerOf, bytes: Uint8Array, now: number) {
    const { customer, origin } = ledger
    const { note, wanted } = yield* Effect.try({
      try: () => {
        const { signatures, text } = readApprovable(bytes)
        const note: Note = { text, signatures }
        return { note, wanted: parseRelease(text) }
      },
      catch: malformed
    })
    if (wanted.origin !== origin) {
      return yield* refused(`the release is of ${wanted.origin}, not of this ledger`, "Draft it for this customer.")
    }
    yield* ledgers.appendAt(ledger, now, () =>
      Effect.gen(function*() {
        const record = yield* find(ledger, wanted.hold)
        const policy = yield* policies.inForce(ledger)
        if (Option.isNone(policy)) return yield* refused("the ledger has no policy yet", "Try again in a minute.")
        const { approvers, eraseQuorum } = policy.value.policy
        const signed = eraseQuorum === 0
          ? verifyNote(note, approvers).bad.length === 0
          : hasQuorum(note, policy.value.policy, verify)
        if (!signed) {
          const { bad, verified } = approvals(note, policy.value.policy, verify)
          const forged = bad.length === 0
            ? ""
            : `, and the signature of ${bad.map(({ name }) => name).join(", ")} is bad`
          return yield* refused(
            `a release needs ${eraseQuorum} of the policy's approvers, ${verified.length} signed${forged}`,
            approvers.length === 0
              ? "The policy names no approver: name them first (rainlogs policy propose)."
              : `They sign with rainlogs approver sign: ${approvers.map(({ name }) => name).join(", ")}.`
          )
        }
        const document = yield* putDocument(
          objects,
          origin,
          yield* signWithApprovals(signer, origin, note, approvers, malformed)
        )
        if (record.released !== null) {
          return record.released.document === document.sha256 ? Option.none() : yield* alreadyReleased(wanted.hold)
        }
        const draft = draftOf(origin, "release", document)
        yield* holds.release(customer, wanted.hold, now, { job: draft.job, document: document.sha256 })
        return Option.some(draft)
      }))
    return yield* find(ledger, wanted.hold)
  })

  return LegalHolds.of({ place, draftRelease, release })
})

/** Requires the ledger, its policies, and the stores of holds and erasures. */
export const layer: Layer.Layer<
  LegalHolds,
  never,
  LedgerStore | ObjectStore | Signer | PolicyChanges | HoldStore | ErasureStore
> = Layer.effect(LegalHolds, make)
