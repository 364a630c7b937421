/**
 * Reads one dataset of one zone through GraphQL: its settings, a page of rows, and the count of a range.
 */
import { Effect, Option, Schema } from "effect"
import type { CloudflareClient } from "./CloudflareClient.ts"
import { unexpectedAnswer } from "./CloudflareErrors.ts"
import type { CollectionError } from "./CollectionError.ts"
import type { CollectionTarget } from "./CollectionStrategy.ts"
import { decodeZone, rowTexts } from "./GraphqlBody.ts"
import { countQuery, type GraphqlDataset, GraphqlSettings, rowsQuery, settingsQuery } from "./GraphqlSettings.ts"

/** A page: its rows as JSON texts, or `full`: there may be more than it can hold. */
export interface Page {
  readonly rows: ReadonlyArray<string>
  readonly full: boolean
}

/** How many rows a range has, and one in how many was kept, on average. */
export interface Count {
  readonly counted: number
  readonly sampleInterval: number
}

const Group = Schema.Struct({ count: Schema.Finite, avg: Schema.Struct({ sampleInterval: Schema.Finite }) })
const decodeGroups = Schema.decodeUnknownOption(Schema.Array(Group))
const decodeSettings = Schema.decodeUnknownOption(Schema.Record(Schema.String, GraphqlSettings))
const decodeRows = Schema.decodeUnknownOption(Schema.Array(Schema.Record(Schema.String, Schema.Unknown)))

/** The reads of a dataset. */
export const makeRead = (client: CloudflareClient["Service"], dataset: GraphqlDataset) => {
  type Key = Pick<CollectionTarget, "cloudflareZone" | "token">

  const ask = Effect.fnUntraced(function*({ cloudflareZone, token }: Key, query: string) {
    const body = yield* client.graphql(token, cloudflareZone, dataset.api, query)
    const [zone, ...others] = Option.match(decodeZone(body), {
      onNone: () => [],
      onSome: ({ data }) => data.viewer.zones
    })
    // A zone the token cannot see may also be an empty list.
    if (zone === undefined || others.length > 0) return yield* unexpectedAnswer(dataset.api)
    return { body, zone }
  })

  const known = <A>(found: Option.Option<A>) =>
    Option.match(found, { onNone: () => Effect.fail(unexpectedAnswer(dataset.api)), onSome: Effect.succeed<A> })

  const settings = Effect.fnUntraced(function*(key: Key) {
    const { zone } = yield* ask(key, settingsQuery(key.cloudflareZone, dataset))
    const found = yield* known(decodeSettings(zone["settings"]))
    return yield* known(Option.fromNullishOr(found[dataset.name]))
  })

  /** At most `limit` rows; an answer larger than is read counts as a full page without rows. */
  const page = (
    key: Key,
    fields: ReadonlyArray<string>,
    range: { readonly fromMs: number; readonly toMs: number; readonly limit: number }
  ): Effect.Effect<Page, CollectionError> =>
    ask(key, rowsQuery(key.cloudflareZone, dataset, fields, range)).pipe(
      Effect.flatMap(({ body, zone }) =>
        Effect.map(known(decodeRows(zone[dataset.name])), ({ length }) => ({
          rows: rowTexts(body, dataset.name),
          full: length >= range.limit
        }))
      ),
      Effect.catchIf(
        ({ code }) => code === "answer-too-large",
        () => Effect.succeed({ rows: [], full: true })
      )
    )

  const count = Effect.fnUntraced(function*(key: Key, fromMs: number, toMs: number): Effect.fn.Return<
    Count,
    CollectionError
  > {
    const { zone } = yield* ask(key, countQuery(key.cloudflareZone, dataset, fromMs, toMs))
    const [group] = yield* known(decodeGroups(zone[`${dataset.name}Groups`]))
    return { counted: group?.count ?? 0, sampleInterval: group?.avg.sampleInterval ?? 1 }
  })

  return { settings, page, count }
}
