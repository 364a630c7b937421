/**
 * The second half of an erasure: begin, remove, withdraw, report. `executing` is durable before anything is removed, so that after
 * a crash it is known what must be finished; the report is chained only when the store and the bundles have nothing left.
 */
import { parseTombstone, printTombstone } from "@rainlogs/verify/Tombstone"
import { Clock, Effect, Option } from "effect"
import { draftOf, putDocument } from "../ledger/LedgerDocuments.ts"
import type { LedgerOf } from "../ledger/LedgerStore.ts"
import { announcedInPublic } from "./AnnouncedInPublic.ts"
import { announcedText, inOrder } from "./ErasureAnnouncement.ts"
import { begin, find } from "./ErasureBeginning.ts"
import type { ErasureRooms } from "./Erasures.ts"
import { eraseObjects, evidenceDocument } from "./ObjectErasure.ts"

const whyNot = (error: { readonly message: string } | { readonly key: string; readonly detail: string }): string =>
  "key" in error ? `${error.key}: ${error.detail}` : error.message

/** Erases what was announced and chains the report; see `Erasures.execute`. */
export const execute = Effect.fn("Erasures.execute")(function*(rooms: ErasureRooms, ledger: LedgerOf, id: string) {
  const { bundles, erasures, ledgers, objects, publisher, signer } = rooms
  const { customer, origin } = ledger
  yield* begin(rooms, ledger, id)
  const erasure = yield* find(rooms, ledger, id)
  if (erasure.state === "done") return erasure

  const targets = yield* erasures.targets(customer, id)
  const gone = yield* announcedInPublic(publisher, ledger, erasure).pipe(
    Effect.andThen(eraseObjects(objects, erasure, targets)),
    Effect.tapError((error) =>
      Effect.flatMap(
        Clock.currentTimeMillis,
        (now) => erasures.failed(customer, id, whyNot(error), now)
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
