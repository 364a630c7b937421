/**
 * Begins an erasure: announced → executing. Whether it may begin is asked under the ledger's lock, by the policies and
 * holds in force then; from here on no hold can be placed over its windows.
 */
import { parseNote } from "@rainlogs/verify/Note"
import { parsePolicy } from "@rainlogs/verify/Policy"
import { Clock, Effect, Option } from "effect"
import { readDocument } from "../ledger/LedgerDocuments.ts"
import type { LedgerOf } from "../ledger/LedgerStore.ts"
import { objectionTo } from "./ErasureObjections.ts"
import type { ErasureRooms } from "./Erasures.ts"
import { ErasureMissing, ErasureRefused } from "./LifecycleError.ts"

/** What it takes to begin an erasure. */
export type BeginRooms = Pick<ErasureRooms, "erasures" | "holds" | "ledgers" | "objects" | "policies">

/** The erasure of this id; fails with {@link ErasureMissing}. */
export const find = ({ erasures }: Pick<ErasureRooms, "erasures">, { customer }: LedgerOf, id: string) =>
  Effect.flatMap(
    erasures.erasure(customer, id),
    (found) => Option.isSome(found) ? Effect.succeed(found.value) : Effect.fail(new ErasureMissing({ id }))
  )

/** Begins it if it is announced; fails with {@link ErasureRefused} if that is not allowed now. */
export const begin = Effect.fnUntraced(function*(rooms: BeginRooms, ledger: LedgerOf, id: string) {
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
