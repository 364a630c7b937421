/**
 * What a zone may ask of a GraphQL dataset, as its `settings` node says it (Cloudflare page «Settings node»): never a
 * table of plans.
 */
import { Schema } from "effect"

/** The settings of one dataset; `notOlderThan`, `maxDuration` in seconds. */
export const GraphqlSettings = Schema.Struct({
  enabled: Schema.Boolean,
  notOlderThan: Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0))),
  maxDuration: Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0))),
  maxPageSize: Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0))),
  maxNumberOfFields: Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0))),
  availableFields: Schema.Array(Schema.String)
})
export type GraphqlSettings = typeof GraphqlSettings.Type

/** A dataset: what Rainlogs asks of it. */
export interface GraphqlDataset {
  /** Its name in the API. */
  readonly name: "firewallEventsAdaptive" | "httpRequestsAdaptive"
  /** Its name in messages and circuits. */
  readonly api: string
  /** The fields, most wanted first: what tells rows apart stands before what describes them. */
  readonly fields: ReadonlyArray<string>
}

/** Fields that are objects, and what is asked of them. */
const members: Readonly<Record<string, string>> = { metadata: "metadata { key value }" }

/** The fields to ask for: those the zone has, as many as it may ask for at once. */
export const selection = (dataset: GraphqlDataset, settings: GraphqlSettings): ReadonlyArray<string> =>
  dataset.fields
    .filter((field) => settings.availableFields.length === 0 || settings.availableFields.includes(field))
    .slice(0, settings.maxNumberOfFields)

const ofZone = (zone: string, inner: string): string =>
  `query Rainlogs { viewer { zones(filter: {zoneTag: "${zone}"}) { ${inner} } } }`

const filter = (fromMs: number, toMs: number): string => {
  const text = (ms: number): string => new Date(ms).toISOString().replace(".000Z", "Z")
  return `filter: {datetime_geq: "${text(fromMs)}", datetime_lt: "${text(toMs)}"}`
}

/** The query for the settings of a dataset. */
export const settingsQuery = (zone: string, { name }: GraphqlDataset): string =>
  ofZone(
    zone,
    `settings { ${name} { enabled notOlderThan maxDuration maxPageSize maxNumberOfFields availableFields } }`
  )

/** The query for at most `limit` rows of `[fromMs, toMs)`. The filter is inlined: its type has two names. */
export const rowsQuery = (
  zone: string,
  { name }: GraphqlDataset,
  fields: ReadonlyArray<string>,
  page: { readonly fromMs: number; readonly toMs: number; readonly limit: number }
): string =>
  ofZone(
    zone,
    `${name}(${filter(page.fromMs, page.toMs)}, limit: ${page.limit}, orderBy: [datetime_ASC, rayName_ASC]) { ${
      fields.map((field) => members[field] ?? field).join(" ")
    } }`
  )

/** The query for the number of rows of `[fromMs, toMs)`, scaled by Cloudflare to what it sampled from. */
export const countQuery = (zone: string, { name }: GraphqlDataset, fromMs: number, toMs: number): string =>
  ofZone(zone, `${name}Groups(${filter(fromMs, toMs)}, limit: 1) { count avg { sampleInterval } }`)
