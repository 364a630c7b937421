/**
 * The second half of an erasure: begin, remove, withdraw, report. `executing` is durable before anything is removed, so that after
 * a crash it is known what must be finished; the report is chained only when the store and the bundles have nothing left.
 */
import { parseNote } from "@rainlogs/verify/Note"
import { parsePolicy } from "@rainlogs/verify/Policy"
import { parseTombstone, printTombstone } from "@rainlogs/verify/Tombstone"
import { Clock, Effect, Option } from "effect"
import { draftOf, putDocument, readDocument } from "../ledger/LedgerDocuments.ts"
import type { LedgerOf } from "../ledger/LedgerStore.ts"
import { announcedText, inOrder } from "./ErasureAnnouncement.ts"
import { objectionTo } from "./ErasureObjections.ts"
import type { ErasureRooms } from "./Erasures.ts"
import { ErasureMissing, ErasureRefused } from "./LifecycleError.ts"
import { eraseObjects, evidenceDocument } from "./ObjectErasure.ts"

const find = ({ erasures }: ErasureRooms, { customer }: LedgerOf, id: string) =>
  Effect.flatMap(
    erasures.erasure(customer, id),
    (found) => Option.isSome(found) ? Effect.succeed(found.value) : Effect.fail(new ErasureMissing({ id }))
  )

// announced → executing, under the ledger's lock: from here on no hold can be placed over its windows.
const begin = Effect.fnUntraced(function*(rooms: ErasureRooms, ledger: LedgerOf, id: string) {
  const { erasures, holds, ledgers, objects, policies } = rooms
  const { customer, origin } = ledger
  const now = yield* Clock.currentTimeMillis
  yield* ledgers.appendAt(ledger, now, () =>
    Effect.gen(function*() {
      const erasure = yield* find(rooms, ledger, id)
      if (erasure.state !== "announced") return Option.none()
      if (now < erasure.notBefore) {
        return yield* new ErasureRefused({
          detail: `the erasure ${id} was announced for ${new Date(erasure.notBefore).toISOString()}, not before`,
          remedy: "Execute it then."
        })
      }
      const inForce = Option.toArray(yield* policies.inForce(ledger)).map(({ policy }) => policy)
      const announcedUnder = yield* readDocument(
        objects,
        origin,
        erasure.policy,
        (bytes) => parsePolicy(parseNote(bytes).text)
      )
      const active = yield* holds.active(customer)
      for (const target of yield* erasures.targets(customer, id)) {
        const situation = { policies: [announcedUnder, ...inForce], holds: active, at: now }
        const objection = objectionTo(target, erasure, situation)
        if (objection !== null) return yield* objection
      }
      yield* erasures.begin(customer, id, now)
      return Option.none()
    }))
})

/** Erases what was announced and chains the report; see `Erasures.execute`. */
export const execute = Effect.fn("Erasures.execute")(function*(rooms: ErasureRooms, ledger: LedgerOf, id: string) {
  const { bundles, erasures, ledgers, objects, signer } = rooms
  const { customer, origin } = ledger
  yield* begin(rooms, ledger, id)
  const erasure = yield* find(rooms, ledger, id)
  if (erasure.state === "done") return erasure

  const targets = yield* erasures.targets(customer, id)
  const gone = yield* eraseObjects(objects, erasure, targets).pipe(
    Effect.tapError((error) =>
      Effect.flatMap(
        Clock.currentTimeMillis,
        (now) => erasures.failed(customer, id, `${error.key}: ${error.detail}`, now)
      )
    )
  )
  // After the objects are gone and not before: a bundle begun in between would hold them and stay.
  yield* bundles.withdraw(customer, id).pipe(
    Effect.tapError((error) =>
      Effect.flatMap(
        Clock.currentTimeMillis,
        (now) => erasures.failed(customer, id, `bundles: ${error.detail}`, now)
      )
    )
  )
  const announced = parseTombstone(yield* announcedText(rooms, ledger, erasure.intent.document))
  const evidence = yield* putDocument(objects, origin, evidenceDocument(origin, erasure, gone))
  const now = yield* Clock.currentTimeMillis
  yield* ledgers.appendAt(ledger, now, () =>
    Effect.gen(function*() {
      // Another process may have reported it meanwhile: there is one report.
      if ((yield* find(rooms, ledger, id)).state === "done") return Option.none()
      // A clock that went back must not say that it was done before it was announced.
      const executed = Math.max(now, erasure.intent.time, erasure.notBefore)
      const text = printTombstone({
        ...announced,
        targets: inOrder(targets),
        done: { executed, intent: erasure.intent.hash, evidence: evidence.sha256 }
      })
      const document = yield* putDocument(objects, origin, yield* signer.signDocument(origin, text))
      const entry = draftOf(origin, "tombstone", document)
      yield* erasures.finish(customer, id, { job: entry.job, document: document.sha256, executed })
      return Option.some(entry)
    }))
  return yield* find(rooms, ledger, id)
})
