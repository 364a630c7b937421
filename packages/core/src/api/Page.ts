/**
 * Pages of lists that are ordered by a time and an id.
 */
import { Schema } from "effect"

/** The most items of one page. */
export const mostPerPage = 1000

const uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

/** Where a page begins: a Unix time in ms, `.`, and an id. */
export const PageCursor = Schema.String.check(
  Schema.isPattern(new RegExp(`^(?:0|[1-9][0-9]{0,15})\\.${uuid}$`, "u"), { expected: "the `next` of the page before" })
)

/** The cursor of a time (Unix ms) and an id. */
export const printCursor = (time: number, id: string): string => `${time}.${id}`

/** The time and id of a {@link PageCursor}. */
export const parseCursor = (cursor: string): { readonly time: number; readonly id: string } => {
  const at = cursor.indexOf(".")
  return { time: Number(cursor.slice(0, at)), id: cursor.slice(at + 1) }
}

/** The page of at most `limit` items, of one more than are asked for; `next` where there is more. */
export const cutPage = <Item>(
  found: ReadonlyArray<Item>,
  limit: number,
  cursorOf: (last: Item) => string
): { readonly shown: ReadonlyArray<Item>; readonly next: string | null } => {
  const shown = found.slice(0, limit)
  const last = shown.at(-1)
  return { shown, next: found.length > limit && last !== undefined ? cursorOf(last) : null }
}

/** The parameters of a page. */
export const pageQuery = {
  limit: Schema.optionalKey(
    Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: mostPerPage }))
  ).pipe(Schema.annotateEncoded({ description: `Most items of the page: 1 to ${mostPerPage}, 100 if left out.` })),
  before: Schema.optionalKey(PageCursor).annotate({ description: "The `next` of the page before." })
}

/** `next` of a page. */
export const NextPage = Schema.NullOr(Schema.String).annotate({
  description: "Pass it for the following page; null on the last."
})
