/**
 * Chains a change of policy when the verifier's own rule allows it (ledger format §7). Whether it does is decided under
 * the ledger's lock, so of two changes at once one comes into force and the other has the wrong version.
 */
import { verify } from "@rainlogs/verify/Ed25519"
import { type Note, parseNote, verifyNote } from "@rainlogs/verify/Note"
import { parsePolicy, type Policy } from "@rainlogs/verify/Policy"
import { Policies } from "@rainlogs/verify/verification/Policies"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { readApprovable } from "../approval/Approval.ts"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import { ObjectStore, type StorageError } from "../storage/ObjectStore.ts"
import { signWithApprovals } from "./ApprovedNote.ts"
import { draftOf, putDocument, readDocument } from "./LedgerDocuments.ts"
import { type LedgerOf, LedgerStore } from "./LedgerStore.ts"
import { Signer, type SignerUnavailable } from "./Signer.ts"

/** The change is not allowed or not a policy; `detail` says which rule it breaks. Nothing was chained. */
export class PolicyRefused extends Schema.TaggedError<PolicyRefused>()("PolicyRefused", {
  origin: Schema.String,
  detail: Schema.String
}) {}

/** A policy with the SHA-256 (hex) of its document. */
export interface ChainedPolicy {
  readonly policy: Policy
  readonly sha256: string
}

/** Reads and changes the policy of a ledger. */
export class PolicyChanges extends Context.Service<PolicyChanges, {
  /** The policy in force; none before the ledger is open. */
  readonly inForce: (ledger: LedgerOf) => Effect.Effect<Option.Option<ChainedPolicy>, StorageError | DatabaseError>
  /**
   * Chains the policy of a draft or of a note with approvers' signatures; the log adds its own. True if it was chained,
   * false if the policy in force says just this already.
   */
  readonly submit: (
    ledger: LedgerOf,
    bytes: Uint8Array,
    now: number
  ) => Effect.Effect<boolean, PolicyRefused | SignerUnavailable | StorageError | DatabaseError>
}>()("@rainlogs/core/PolicyChanges") {}

interface Submission {
  readonly note: Note
  readonly policy: Policy
}

const make = Effect.gen(function*() {
  const store = yield* LedgerStore
  const objects = yield* ObjectStore
  const signer = yield* Signer

  const current = Effect.fnUntraced(function*(ledger: LedgerOf) {
    const last = yield* store.lastEvent(ledger, "policy")
    if (Option.isNone(last)) return Option.none<Submission & ChainedPolicy>()
    const sha256 = last.value.documentSha256
    const note = yield* readDocument(objects, ledger.origin, sha256, parseNote)
    const policy = yield* readDocument(objects, ledger.origin, sha256, () => parsePolicy(note.text))
    return Option.some({ note, policy, sha256 })
  })

  const refusal = (ledger: LedgerOf, before: ChainedPolicy, { note, policy }: Submission): string | null => {
    if (policy.origin !== ledger.origin) return `the policy is of ${policy.origin}, not of this ledger`
    if (policy.version !== before.policy.version + 1) {
      return `version ${before.policy.version} is in force, so the next is ${before.policy.version + 1}: ` +
        `version ${policy.version} must be written anew`
    }
    if (policy.approvers.length > 0 && policy.eraseQuorum > policy.approvers.length) {
      return `${policy.approvers.length} approvers can never be the quorum of ${policy.eraseQuorum}: name more of them`
    }
    const { bad } = verifyNote(note, [...before.policy.approvers, ...policy.approvers])
    if (bad.length > 0) return `the signature of ${bad.map((key) => key.name).join(", ")} is bad`
    const policies = new Policies()
    policies.add({ policy: before.policy, hash: before.sha256 })
    return policies.objectionTo(policy, note, verify)
  }

  const submit = Effect.fn("PolicyChanges.submit")(function*(ledger: LedgerOf, bytes: Uint8Array, now: number) {
    const { origin } = ledger
    const refused = (detail: string) => new PolicyRefused({ origin, detail })
    const submitted = yield* Effect.try({
      try: () => {
        const { signatures, text } = readApprovable(bytes)
        return { note: { text, signatures }, policy: parsePolicy(text) }
      },
      catch: (error) => refused(String(error))
    })
    return yield* store.appendAt(ledger, now, () =>
      Effect.gen(function*() {
        const before = yield* current(ledger)
        if (Option.isNone(before)) return yield* refused("the ledger has no policy yet: open it first")
        if (before.value.note.text === submitted.note.text) return Option.none()
        const detail = refusal(ledger, before.value, submitted)
        if (detail !== null) return yield* refused(detail)
        const known = [...before.value.policy.approvers, ...submitted.policy.approvers]
        const note = yield* signWithApprovals(signer, origin, submitted.note, known, refused)
        return Option.some(draftOf(origin, "policy", yield* putDocument(objects, origin, note)))
      }))
  })

  return PolicyChanges.of({
    inForce: Effect.fn("PolicyChanges.inForce")((ledger) =>
      Effect.map(current(ledger), Option.map(({ policy, sha256 }) => ({ policy, sha256 })))
    ),
    submit
  })
})

/** Requires `LedgerStore`, `ObjectStore` and `Signer`. */
export const layer: Layer.Layer<PolicyChanges, never, LedgerStore | ObjectStore | Signer> = Layer.effect(
  PolicyChanges,
  make
)
