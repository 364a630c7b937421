/**
 * A window: a half-open interval `[from, to)` in Unix milliseconds on one source's own clock.
 * The windows of a source tile its timeline with no hole and no overlap (design invariant 5).
 */
import { Schema } from "effect"
import { Timestamp } from "./Identifier.ts"

/** A half-open interval `[from, to)`, in Unix milliseconds; never empty. */
export const Window = Schema.Struct({ from: Timestamp, to: Timestamp }).pipe(
  Schema.check(Schema.makeFilter((window) => window.from < window.to ? undefined : "a window ends after it starts"))
)
export type Window = typeof Window.Type

/** The length of a window in milliseconds. */
export const duration = (window: Window): number => window.to - window.from

/** Cuts a window at `at`; `at` lies strictly inside it. */
export const cut = (window: Window, at: number): readonly [Window, Window] => [
  { from: window.from, to: at },
  { from: at, to: window.to }
]

/** The later end of a window that starts at `from`: the next multiple of `grid`, at most `until`. */
export const endOnGrid = (from: number, grid: number, until: number): number =>
  Math.min(Math.floor(from / grid) * grid + grid, until)

/** RFC 3339 text of both bounds, for messages. */
export const format = (window: Window): string =>
  `[${new Date(window.from).toISOString()}, ${new Date(window.to).toISOString()})`
