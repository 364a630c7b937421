/**
 * Contract: an evidence bundle as the API shows it, and what asks for one.
 */
import { DateTime, Schema } from "effect"
import { BundleFailureCode } from "../bundle/BundleFailure.ts"
import { BundleFile, BundleId, BundleState } from "../bundle/BundleJob.ts"
import { ZoneId } from "../domain/Identifier.ts"
import { Instant } from "./Instant.ts"

/** The longest range of one bundle, in days: leap years included. */
export const mostDays = 366

const longestMs = mostDays * 86_400_000

/** What a bundle is made of. */
export const CreateBundle = Schema.Struct({
  zone: ZoneId.annotate({ description: "The zone's id in Rainlogs, as `GET /api/v1/zones` shows it." }),
  from: Instant.annotate({ description: "Start of the range, inclusive." }),
  to: Instant.annotate({ description: `End of the range, exclusive; at most ${mostDays} days after \`from\`.` }),
  disclose: Schema.optionalKey(Schema.Boolean).annotate({
    description:
      "`true` puts the data keys of the objects into the bundle: whoever has the file can then read every log line in " +
      "it, for ever, even after the archive has erased them. `false` if left out: the objects stay encrypted."
  })
}).check(
  Schema.makeFilter(({ from, to }) => {
    const [start, end] = [DateTime.toEpochMillis(from), DateTime.toEpochMillis(to)]
    if (start < 0 || end > Number.MAX_SAFE_INTEGER) return { path: ["from"], issue: "Expected a time from 1970 on" }
    if (start >= end) return { path: ["to"], issue: "Expected a time after `from`" }
    return end - start > longestMs
      ? { path: ["to"], issue: `Expected at most ${mostDays} days after \`from\`` }
      : undefined
  })
).annotate({ identifier: "CreateBundle" })

const orNull = <S extends Schema.Top>(schema: S, description: string) => Schema.NullOr(schema).annotate({ description })

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** A bundle. `file` is there once it is ready, also after its file was removed. */
export const BundleResource = Schema.Struct({
  id: BundleId,
  zone: ZoneId,
  from: Instant.annotate({ description: "Objects of windows that overlap the range are in the bundle." }),
  to: Instant,
  disclose: Schema.Boolean,
  reveals: Schema.String.annotate({ description: "What the file tells whoever has it." }),
  state: BundleState.annotate({
    description:
      "`requested` → `running` → `ready` → `expired`; or `failed`, see `error`; or `withdrawn`, see `withdrawnBy`."
  }),
  attempts: Count,
  progress: Schema.Struct({
    entries: Count.annotate({ description: "Ledger entries gone through, with their objects read." }),
    bytes: Count.annotate({ description: "Bytes of the file written, which begins when all entries are gone through." })
  }).annotate({ description: "How far the attempt is." }),
  file: orNull(
    Schema.Struct({
      bytes: BundleFile.fields.bytes,
      sha256: BundleFile.fields.sha256,
      objects: BundleFile.fields.objects.annotate({ description: "Stored objects in the bundle." }),
      ledgerSize: BundleFile.fields.ledgerSize.annotate({ description: "Entries of the ledger the bundle shows." })
    }),
    "The finished ZIP."
  ),
  error: orNull(
    Schema.Struct({
      code: Schema.String.annotate({ description: `One of ${BundleFailureCode.literals.join(", ")}.` }),
      detail: Schema.String.annotate({ description: "What happened, and why." }),
      remedy: Schema.String.annotate({ description: "What to do about it." })
    }),
    "Why the last attempt failed; it is tried again unless the state is `failed`."
  ),
  withdrawnBy: orNull(Schema.String, "The erasure of a window in the file, for which it was removed."),
  createdAt: Instant,
  updatedAt: Instant,
  expiresAt: orNull(Instant, "When the file is removed.")
}).annotate({ identifier: "Bundle" })
export type BundleResource = typeof BundleResource.Type

/** A page of bundles, newest first. `next` asks for the following page; null on the last. */
export const BundlePage = Schema.Struct({
  bundles: Schema.Array(BundleResource),
  next: orNull(Schema.String, "Pass as `after` for the following page; null on the last page.")
}).annotate({ identifier: "BundlePage" })

/** The place after a bundle in the list: when it was asked for (Unix ms) and its id. */
export const BundleCursor = Schema.String.check(
  Schema.isPattern(/^(?:0|[1-9][0-9]{0,14})\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/u, {
    expected: "the `next` of the page before"
  })
)

/** The most bundles of one page. */
export const mostBundlesPerPage = 100
