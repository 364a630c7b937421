/**
 * Anchor: a second store with other credentials. It gets a copy of every anchored `checkpoint.d/<size>` under the key
 * it has in the archive, so whoever rewrites the archive would have to rewrite both. Nothing there is overwritten.
 */
import { checkpointArchiveKey } from "@rainlogs/verify/Layout"
import { Clock, Effect } from "effect"
import type { ObjectStore, StorageError } from "../storage/ObjectStore.ts"
import { type Anchor, type AnchorCategory, AnchorError } from "./Anchor.ts"
import { checkStatement, printStatement, statementOf } from "./StatementReceipt.ts"

/** Which store, and what its receipts are named by. */
export interface BucketAnchorOptions {
  readonly id: string
  readonly store: ObjectStore["Service"]
  readonly stampsPerMinute: number
}

const categories: { readonly [C in StorageError["category"]]: AnchorCategory } = {
  transient: "transient",
  throttled: "throttled",
  full: "rejected",
  unauthorised: "unauthorised",
  corrupt: "transient",
  rejected: "rejected"
}

/** The anchor on a second store. */
export const make = ({ id, stampsPerMinute, store }: BucketAnchorOptions): Anchor => {
  const self = { id, type: "bucket" } as const
  return {
    ...self,
    stampsPerMinute,
    stamp: Effect.fn("BucketAnchor.stamp")(function*(request) {
      const key = checkpointArchiveKey(request.origin, request.size)
      const failed = (category: AnchorCategory, detail: string) =>
        new AnchorError({ anchor: id, category, detail, retryAfterMs: null })
      yield* store.putBytes(key, request.checkpoint).pipe(Effect.catchTags({
        ObjectExists: () =>
          Effect.fail(failed("equivocation", `another checkpoint is kept there for size ${request.size}: ${key}`)),
        StorageError: ({ category, detail }) => Effect.fail(failed(categories[category], detail))
      }))
      const time = yield* Clock.currentTimeMillis
      return { bytes: printStatement(statementOf(self, request, time), { key }), time, expires: null }
    }),
    check: (receipt, request) => checkStatement(self, receipt, request)
  }
}
