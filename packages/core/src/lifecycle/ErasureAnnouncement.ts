/**
 * The first half of an erasure: its draft, and its announcement in the ledger once those have signed it whom the policy
 * in force asks for.
 */
import { verify } from "@rainlogs/verify/Ed25519"
import { type Note, parseNote } from "@rainlogs/verify/Note"
import type { Policy } from "@rainlogs/verify/Policy"
import { parseTombstone, printTombstone, type Tombstone } from "@rainlogs/verify/Tombstone"
import { dueAt, isAuthorised } from "@rainlogs/verify/verification/ErasureRules"
import { approvals, retentionDays } from "@rainlogs/verify/verification/Policies"
import { Effect, Option } from "effect"
import { randomUUID } from "node:crypto"
import { readApprovable } from "../approval/Approval.ts"
import { Sha256Hex } from "../domain/Identifier.ts"
import { signWithApprovals } from "../ledger/ApprovedNote.ts"
import { draftOf, putDocument, readDocument } from "../ledger/LedgerDocuments.ts"
import type { LedgerOf } from "../ledger/LedgerStore.ts"
import { type ErasureTarget, mostTargets, retentionStart } from "./Erasure.ts"
import { objectionTo } from "./ErasureObjections.ts"
import type { ErasureDraft, ErasureRequest, ErasureRooms } from "./Erasures.ts"
import type { SelectionCursor } from "./ErasureStore.ts"
import { ErasureRefused } from "./LifecycleError.ts"

const day = 86_400_000

/** How far a request's own time may be ahead of this clock, ms. */
const clockAhead = 300_000

const refused = (detail: string, remedy: string) => new ErasureRefused({ detail, remedy })
const malformed = (error: unknown) =>
  refused(error instanceof Error ? error.message : String(error), "Correct it and send it again.")

const policyInForce = Effect.fnUntraced(function*({ policies }: ErasureRooms, ledger: LedgerOf) {
  const policy = yield* policies.inForce(ledger)
  if (Option.isNone(policy)) return yield* refused("the ledger has no policy yet", "Try again in a minute.")
  return policy.value
})

// How many approvers the reason needs.
const quorumFor = (reason: Tombstone["reason"], policy: Policy): number =>
  reason === "retention" ? 0 : policy.eraseQuorum

// With nobody named who could ever approve, the request is refused before anybody signs anything.
const refuseUnapprovable = (reason: Tombstone["reason"], policy: Policy) =>
  quorumFor(reason, policy) > policy.approvers.length
    ? Effect.fail(
      refused(
        `the policy in force names ${policy.approvers.length === 0 ? "no approver" : "too few approvers"}, so only ` +
          `retention deletions are possible: an erasure for ${reason} needs ${policy.eraseQuorum} approvers`,
        "Name approvers first: rainlogs approver new, then rainlogs policy propose and rainlogs policy apply."
      )
    )
    : Effect.void

/** Writes an announcement of at most {@link mostTargets} windows; none if no window is left. */
export const draft = Effect.fn("Erasures.draft")(function*(
  rooms: ErasureRooms,
  ledger: LedgerOf,
  request: ErasureRequest,
  after: SelectionCursor | null,
  now: number
) {
  const { policy, sha256 } = yield* policyInForce(rooms, ledger)
  yield* refuseUnapprovable(request.reason, policy)
  const days = retentionDays(policy)
  const { from, reason, to, zone } = request
  const found = yield* rooms.erasures.select(
    ledger.customer,
    { zone, from, to, dueBefore: reason === "retention" ? now - days * day : null, held: "left-out" },
    { limit: mostTargets + 1, after }
  )
  const targets = found.slice(0, mostTargets)
  const last = targets.at(-1)
  if (last === undefined) return Option.none<ErasureDraft>()
  const tombstone: Tombstone = {
    origin: ledger.origin,
    id: randomUUID(),
    targets: inOrder(targets),
    reason,
    method: request.method,
    policy: sha256,
    basis: request.basis,
    requested: now,
    notBefore: reason === "retention"
      ? targets.reduce((latest, target) => Math.max(latest, dueAt(retentionStart(target), days)), 0)
      : now,
    done: null
  }
  const document = yield* Effect.try({ try: () => printTombstone(tombstone), catch: malformed })
  return Option.some<ErasureDraft>({
    document,
    id: tombstone.id,
    targets: targets.length,
    quorum: quorumFor(reason, policy),
    next: found.length > mostTargets ? { to: last.window.to, job: last.job } : null
  })
})

const place = ({ chain, seq }: { readonly chain: string; readonly seq: number }) => `${chain} ${seq}`

/** Targets as a tombstone has them: sorted by chain, then sequence number. */
export const inOrder = (targets: ReadonlyArray<ErasureTarget>): Tombstone["targets"] =>
  targets
    .map(({ chain, hash, object, seq }) => ({ chain, seq, object, hash }))
    .toSorted((left, right) => left.chain < right.chain ? -1 : left.chain > right.chain ? 1 : left.seq - right.seq)

const readAnnouncement = (bytes: Uint8Array) => {
  const { signatures, text } = readApprovable(bytes)
  const note: Note = { text, signatures }
  return { note, tombstone: parseTombstone(text) }
}

// What speaks against the announcement as such, whatever it names.
const objectionToDocument = (tombstone: Tombstone, ledger: LedgerOf, now: number) => {
  if (tombstone.origin !== ledger.origin) {
    return refused(`the erasure is of ${tombstone.origin}, not of this ledger`, "Draft it for this customer.")
  }
  if (tombstone.targets.length > mostTargets) {
    return refused(`it names ${tombstone.targets.length} windows, the limit is ${mostTargets}`, "Make several of it.")
  }
  if (tombstone.requested > now + clockAhead) {
    return refused("it was requested in the future", "Set the clock of this machine, or draft it again.")
  }
  return null
}

/** Chains an announcement; see `Erasures.announce`. */
export const announce = Effect.fn("Erasures.announce")(function*(
  rooms: ErasureRooms,
  ledger: LedgerOf,
  bytes: Uint8Array,
  now: number
) {
  const { erasures, ledgers, objects, signer } = rooms
  const { customer, origin } = ledger
  const { note, tombstone } = yield* Effect.try({ try: () => readAnnouncement(bytes), catch: malformed })
  const objection = objectionToDocument(tombstone, ledger, now)
  if (objection !== null) return yield* objection

  const authorise = Effect.fnUntraced(function*(policy: Policy) {
    yield* refuseUnapprovable(tombstone.reason, policy)
    const { bad, verified } = approvals(note, policy, verify)
    if (bad.length > 0) {
      return yield* refused(
        `the signature of ${bad.map(({ name }) => name).join(", ")} is bad`,
        "Take the draft as it was written, and sign it again."
      )
    }
    // The log signs what it chains.
    if (isAuthorised(tombstone.reason, note, { policy, logSigned: true, verifySignature: verify })) return
    return yield* refused(
      `an erasure for ${tombstone.reason} needs ${policy.eraseQuorum} of the policy's approvers, ${verified.length} signed`,
      `They sign with rainlogs approver sign: ${policy.approvers.map(({ name }) => name).join(", ")}.`
    )
  })

  const findTargets = Effect.fnUntraced(function*(policy: Policy) {
    const found = new Map((yield* erasures.windows(customer, tombstone.targets)).map((one) => [place(one), one]))
    const active = yield* rooms.holds.active(customer)
    return yield* Effect.forEach(tombstone.targets, (wanted) => {
      const target = found.get(place(wanted))
      if (target === undefined || target.object !== wanted.object || target.hash !== wanted.hash) {
        const detail = `there is no window with an object at ${place(wanted)}, or it holds another object`
        return Effect.fail(refused(detail, "Draft the erasure again."))
      }
      const objection = target.erasure !== null
        ? refused(
          `the window at ${place(wanted)} is named by the erasure ${target.erasure} already`,
          "rainlogs erase list shows how far that is."
        )
        : objectionTo(target, tombstone, { policies: [policy], holds: active, at: tombstone.notBefore })
      return objection === null ? Effect.succeed(target) : Effect.fail(objection)
    })
  })

  yield* ledgers.appendAt(ledger, now, () =>
    Effect.gen(function*() {
      const { policy, sha256 } = yield* policyInForce(rooms, ledger)
      const known = yield* erasures.erasure(customer, tombstone.id)
      if (Option.isSome(known)) {
        const text = yield* announcedText(rooms, ledger, known.value.intent.document)
        if (text === note.text) return Option.none()
        return yield* refused(`another erasure has the id ${tombstone.id}`, "Draft it again.")
      }
      if (tombstone.policy !== sha256) {
        return yield* refused(
          `the erasure rests on policy ${tombstone.policy}, and ${sha256} is in force`,
          "The policy was changed since: draft the erasure again and have it signed again."
        )
      }
      yield* authorise(policy)
      const targets = yield* findTargets(policy)
      const signed = yield* signWithApprovals(signer, origin, note, policy.approvers, malformed)
      const document = yield* putDocument(objects, origin, signed)
      const entry = draftOf(origin, "tombstone", document)
      const { basis, id, method, notBefore, reason, requested } = tombstone
      yield* erasures.announce(customer, {
        erasure: {
          id,
          reason,
          method,
          basis,
          policy: Sha256Hex.make(sha256),
          requested,
          notBefore,
          targets: targets.length
        },
        intent: { job: entry.job, document: document.sha256 },
        jobs: targets.map(({ job }) => job)
      })
      return Option.some(entry)
    }))
  return yield* Effect.flatMap(erasures.erasure(customer, tombstone.id), (found) =>
    Option.isSome(found)
      ? Effect.succeed(found.value)
      : Effect.die(new Error(`the erasure ${tombstone.id} was announced and is not there`)))
})

/** The text of the announcement with this SHA-256. */
export const announcedText = ({ objects }: Pick<ErasureRooms, "objects">, { origin }: LedgerOf, sha256: string) =>
  readDocument(objects, origin, sha256, (bytes) => parseNote(bytes).text)
