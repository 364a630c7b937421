/**
 * Makes sure that an announcement is under a signed head before anything of it is erased: a database that is lost after
 * that is rebuilt with the announcement, and what is missing is explained.
 */
import { Effect, Schedule } from "effect"
import type { LedgerOf } from "../ledger/LedgerStore.ts"
import type { Publisher } from "../ledger/Publisher.ts"
import type { Erasure } from "./Erasure.ts"
import { ErasureIncomplete } from "./LifecycleError.ts"

/** Another process that publishes this ledger is waited for this long at most: ms between looks, and how many. */
const [lookMs, mostLooks] = [100, 300]

/** Publishes the ledger; fails with {@link ErasureIncomplete} if that cannot be done now. Nothing was erased then. */
export const announcedInPublic = Effect.fn("announcedInPublic")(
  function*(publisher: Publisher["Service"], ledger: LedgerOf, { id, intent }: Erasure) {
    const published = yield* publisher.publish(ledger).pipe(
      Effect.repeat({
        schedule: Schedule.spaced(lookMs),
        times: mostLooks,
        until: ({ outcome }) => outcome !== "busy"
      })
    )
    if (published.outcome === "published" || published.outcome === "unchanged") return
    const why = published.outcome === "halted"
      ? `nothing is signed for this ledger any more: ${published.reason}`
      : "another process has been publishing this ledger for too long"
    return yield* new ErasureIncomplete({ id, key: `event/${intent.document}`, detail: `not published, ${why}` })
  }
)
