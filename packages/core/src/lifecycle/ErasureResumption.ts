/**
 * Finds erasures that had begun when the database was lost. That an erasure is executing is in no document of the ledger:
 * it shows in the store, which has lost a part of what was announced. Such an erasure begins again, if it may, so that no
 * hold is placed over windows that are partly gone, and the next start finishes it.
 */
import { Effect, Option, Stream } from "effect"
import type { LedgerOf } from "../ledger/LedgerStore.ts"
import type { Erasure } from "./Erasure.ts"
import { begin, type BeginRooms } from "./ErasureBeginning.ts"
import { firstGone } from "./ObjectErasure.ts"

/** Erasures read at once. */
const pageSize = 500

/** What was found. */
export interface ResumedErasures {
  /** Ids of erasures that are executing again. */
  readonly resumed: ReadonlyArray<string>
  /** Those that must not go on now: which, what is gone, and the rule in the way. They stay announced. */
  readonly stuck: ReadonlyArray<string>
}

const announced = ({ erasures }: BeginRooms, { customer }: LedgerOf) =>
  Stream.paginate(
    null as { readonly requested: number; readonly id: string } | null,
    (before) =>
      Effect.map(erasures.erasures(customer, { limit: pageSize, before }), (page) => {
        const last = page.at(-1)
        return [page, last === undefined || page.length < pageSize ? Option.none() : Option.some(last)] as const
      })
  ).pipe(Stream.filter(({ state }) => state === "announced"))

/** Looks at every erasure that is announced; done again, it changes nothing. */
export const resumeErasures = Effect.fn("resumeErasures")(function*(rooms: BeginRooms, ledger: LedgerOf) {
  const [resumed, stuck]: [Array<string>, Array<string>] = [[], []]
  const look = Effect.fnUntraced(function*(erasure: Erasure) {
    const gone = yield* firstGone(rooms.objects, erasure, yield* rooms.erasures.targets(ledger.customer, erasure.id))
    if (gone === null) return
    yield* begin(rooms, ledger, erasure.id).pipe(
      Effect.andThen(Effect.sync(() => {
        resumed.push(erasure.id)
      })),
      Effect.catchTag("ErasureRefused", ({ message }) =>
        Effect.sync(() => {
          stuck.push(`${erasure.id} of ${ledger.origin}: ${gone} is gone already, and ${message}`)
        })),
      Effect.catchTag("ErasureMissing", Effect.die)
    )
  })
  yield* Stream.runForEach(announced(rooms, ledger), look)
  const found: ResumedErasures = { resumed, stuck }
  return found
})
