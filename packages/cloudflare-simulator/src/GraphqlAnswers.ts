/**
 * Answers `POST /client/v4/graphql`: one zone, its `settings` node, the datasets of rows and their groups, with Cloudflare's limits and
 * error texts («GraphQL API errors»). Errors come with HTTP 200, `data: null` and `errors`, as they mostly do.
 */
import {
  type ArgumentNode,
  type FieldNode,
  GraphQLError,
  Kind,
  parse,
  type SelectionSetNode,
  valueFromASTUntyped
} from "graphql"
import { permits, type TokenOptions } from "./Authentication.ts"
import { json, type SmallResponse } from "./ErrorBodies.ts"
import { type GraphqlDataset, graphqlDatasets, type GraphqlSettings } from "./GraphqlDatasets.ts"
import { type GraphqlRow, printRow } from "./GraphqlRows.ts"
import type { SimulatedZone } from "./SimulatedZone.ts"

/** An error as the API words it; `code` only where Cloudflare gives one. */
export const graphqlError = (message: string, nowMs: number, code?: string): SmallResponse =>
  json(200, {
    data: null,
    errors: [{
      message,
      path: null,
      extensions: { timestamp: new Date(nowMs).toISOString(), ...(code === undefined ? {} : { code }) }
    }]
  })

/** What an answer needs to know. */
export interface GraphqlContext {
  readonly body: string
  readonly token: TokenOptions
  readonly zones: ReadonlyMap<string, SimulatedZone>
  readonly nowMs: number
}

class Refusal extends Error {
  readonly code: string | undefined

  constructor(message: string, code?: string) {
    super(message)
    this.code = code
  }
}

/** The answer to a query. */
export const answerGraphql = (context: GraphqlContext): SmallResponse => {
  try {
    return { status: 200, contentType: "application/json", body: `{"data":${execute(context)},"errors":null}` }
  } catch (cause) {
    if (cause instanceof GraphQLError) return graphqlError(`error parsing args: ${cause.message}`, context.nowMs)
    if (cause instanceof Refusal) return graphqlError(cause.message, context.nowMs, cause.code)
    throw cause
  }
}

const queryOf = (body: string): string => {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    throw new Refusal("error parsing args: the body is not JSON")
  }
  const query = typeof value === "object" && value !== null && "query" in value ? value.query : undefined
  if (typeof query !== "string") throw new Refusal("error parsing args: no query")
  return query
}

const fieldsOf = (set: SelectionSetNode | undefined): ReadonlyArray<FieldNode> =>
  (set?.selections ?? []).map((one) => {
    if (one.kind !== Kind.FIELD) throw new Refusal("error parsing args: fragments are not supported")
    return one
  })

const argument = (field: FieldNode, name: string): unknown => {
  const found = field.arguments?.find((one: ArgumentNode) => one.name.value === name)
  return found === undefined ? undefined : valueFromASTUntyped(found.value)
}

const only = (fields: ReadonlyArray<FieldNode>, name: string): FieldNode => {
  const [field, ...rest] = fields
  if (field?.name.value !== name || rest.length > 0) throw new Refusal(`unknown field "${field?.name.value ?? ""}"`)
  return field
}

const member = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Object.entries(value).find(([key]) => key === name)?.[1] : undefined

const execute = (context: GraphqlContext): string => {
  const [operation, ...others] = parse(queryOf(context.body)).definitions
  if (operation?.kind !== Kind.OPERATION_DEFINITION || others.length > 0) {
    throw new Refusal("error parsing args: exactly one query is supported")
  }
  const zones = only(fieldsOf(only(fieldsOf(operation.selectionSet), "viewer").selectionSet), "zones")
  const tag = member(argument(zones, "filter"), "zoneTag")
  const zone = context.zones.get(typeof tag === "string" ? tag : "")
  if (zone === undefined || !permits(context.token, zone.options.id, "Analytics Read")) {
    throw new Refusal(`zones [${String(tag)}] are not authorized`, "authz")
  }
  const parts = fieldsOf(zones.selectionSet).map((field) =>
    `"${field.alias?.value ?? field.name.value}":${
      field.name.value === "settings" ? settingsOf(field, zone) : datasetOf(field, zone, context.nowMs)
    }`
  )
  return `{"viewer":{"zones":[{${parts.join(",")}}]}}`
}

const settingsOf = (field: FieldNode, zone: SimulatedZone): string =>
  `{${
    fieldsOf(field.selectionSet).map((node) => {
      const name = graphqlDatasets.find((one) => one === node.name.value)
      if (name === undefined) throw new Refusal(`unknown field "${node.name.value}"`)
      const settings: Readonly<Record<string, unknown>> = { ...zone.graphql[name].settings }
      const members = fieldsOf(node.selectionSet).map((one) => {
        const value = settings[one.name.value]
        if (value === undefined) throw new Refusal(`unknown field "${one.name.value}"`)
        return `"${one.name.value}":${JSON.stringify(value)}`
      })
      return `"${name}":{${members.join(",")}}`
    }).join(",")
  }}`

const timeOf = (filter: unknown, name: string): number => {
  const text = member(filter, name)
  const at = typeof text === "string" ? Date.parse(text) : Number.NaN
  if (!Number.isFinite(at)) throw new Refusal(`error parsing args: ${name} must be a time`)
  return at
}

const datasetOf = (field: FieldNode, zone: SimulatedZone, nowMs: number): string => {
  const name = field.name.value
  const dataset = graphqlDatasets.find((one) => name === one || name === `${one}Groups`)
  if (dataset === undefined) throw new Refusal(`unknown field "${name}"`)
  const { settings } = zone.graphql[dataset]
  if (!settings.enabled) {
    throw new Refusal(`zone '${zone.options.id}' does not have access to the path`, "authz")
  }
  const filter = argument(field, "filter")
  const fromMs = timeOf(filter, "datetime_geq")
  const toMs = timeOf(filter, "datetime_lt")
  const limit = argument(field, "limit")
  if (typeof limit !== "number" && typeof limit !== "string") throw new Refusal("error parsing args: limit is required")
  checkLimits(settings, fromMs, toMs, Number(limit), nowMs)
  const { interval, rows } = zone.graphql[dataset].seen(fromMs, toMs, nowMs)
  return name === dataset
    ? rowsOf(field, dataset, zone, settings, rows.slice(), interval, Number(limit))
    : groupsOf(field, rows, interval)
}

const checkLimits = (settings: GraphqlSettings, fromMs: number, toMs: number, limit: number, nowMs: number): void => {
  if (fromMs < nowMs - settings.notOlderThan * 1000) {
    throw new Refusal(`cannot request data older than ${settings.notOlderThan}s`)
  }
  if (toMs - fromMs > settings.maxDuration * 1000) {
    throw new Refusal(`query time range is too large. Time range can't be wider than ${settings.maxDuration}s`)
  }
  if (!(limit > 0 && limit <= settings.maxPageSize)) {
    throw new Refusal(`limit must be positive number and not greater than ${settings.maxPageSize}`)
  }
}

const rowsOf = (
  field: FieldNode,
  dataset: GraphqlDataset,
  zone: SimulatedZone,
  settings: GraphqlSettings,
  rows: Array<GraphqlRow>,
  interval: number,
  limit: number
): string => {
  const names = fieldsOf(field.selectionSet).map((one) => one.name.value)
  if (names.length > settings.maxNumberOfFields) {
    throw new Refusal(`number of fields can't be more than ${settings.maxNumberOfFields}`)
  }
  const unknown = names.find((name) => !zone.graphql[dataset].known.has(name))
  if (unknown !== undefined) throw new Refusal(`unknown field "${unknown}"`)
  const denied = names.find((name) => !settings.availableFields.includes(name))
  if (denied !== undefined) {
    throw new Refusal(
      `zone '${zone.options.id}' does not have access to the field '${denied}' from the path`,
      "authz"
    )
  }
  const order = argument(field, "orderBy")
  if (!Array.isArray(order) || order[0] !== "datetime_ASC") rows.reverse()
  return `[${rows.slice(0, limit).map((row) => printRow(row, names, interval)).join(",")}]`
}

/** One group of everything: the count is scaled by the sample interval. */
const groupsOf = (field: FieldNode, rows: ReadonlyArray<GraphqlRow>, interval: number): string => {
  if (rows.length === 0) return "[]"
  const members = fieldsOf(field.selectionSet).map((one) => {
    if (one.name.value === "count") return `"count":${rows.length * interval}`
    if (one.name.value === "avg") return `"avg":{"sampleInterval":${interval}}`
    throw new Refusal(`unknown field "${one.name.value}"`)
  })
  return `[{${members.join(",")}}]`
}
