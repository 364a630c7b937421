/**
 * What Cloudflare's GraphQL API says when it refuses a query, most often with status 200 and `errors` in the body
 * (Cloudflare page «GraphQL API errors», and public issues): rows of the table in `CloudflareErrors`. The texts are
 * matched, for status and code are not always there.
 */
import type { AnswerRow, RequestFacts } from "./CloudflareErrors.ts"

const token = ({ permission }: RequestFacts): string =>
  `Give the zone a Cloudflare API token that is active, includes this zone, and has the permission “${permission}”.`

/** The rows, each for any status. */
export const graphqlRows: ReadonlyArray<AnswerRow> = [
  {
    statuses: "any",
    match: /rate limiter budget depleted|exceeded its rate limit|"code"\s*:\s*"budget"/i,
    category: "throttled",
    code: "rate-limited",
    what: "the budget of GraphQL queries is used up",
    remedy:
      "Nothing to do: collection goes on when Cloudflare allows it. If it repeats, another client uses this token or zone."
  },
  {
    statuses: "any",
    match: /cannot request data older than/i,
    category: "expired",
    code: "beyond-reach",
    what: "the window is older than the zone's plan lets anyone ask for",
    remedy: "The window cannot be collected any more; it becomes a gap."
  },
  {
    statuses: "any",
    match: /time range is too large|consumed excessive resources|queries too many nodes/i,
    category: "oversize",
    code: "query-too-large",
    what: "the query asks for too much at once",
    remedy: "Nothing to do: the window is asked for in parts."
  },
  {
    statuses: "any",
    match: /limit must be positive number|number of fields can't be more/i,
    category: "rejected",
    code: "settings-changed",
    what: "Cloudflare allows less in one query than it said",
    remedy: "Nothing to do: the settings of the zone are read again."
  },
  {
    statuses: "any",
    match: /unknown field|does not have access to the field/i,
    category: "rejected",
    code: "unknown-field",
    what: "a field of the list is not available to the zone",
    remedy: "Nothing to do: the list is read again."
  },
  {
    statuses: "any",
    match: /not authorized for that account|are not authorized/i,
    category: "unauthorised",
    code: "not-permitted",
    what: "the token may not read the analytics of this zone",
    remedy: token
  },
  {
    statuses: "any",
    match: /does not have access to the path/i,
    category: "blocked",
    code: "not-entitled",
    what: "the zone's plan does not include this dataset",
    remedy: "Choose another source for this zone, or a plan that includes it."
  },
  {
    statuses: "any",
    match: /unable to execute query|too many queries in progress|"message"\s*:\s*"internal server error/i,
    category: "transient",
    code: "server-error",
    what: "Cloudflare could not run the query",
    remedy: null
  },
  {
    statuses: "any",
    match: /error parsing args/i,
    category: "rejected",
    code: "bad-query",
    what: "Cloudflare did not understand the query",
    remedy: "Please report this as a bug."
  }
]
