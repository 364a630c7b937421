/**
 * Progress on stderr, only where a person watches: on a terminal one line that rewrites itself, elsewhere nothing.
 */
import { Effect } from "effect"

/** A line of progress; `show` replaces it, `clear` removes it before other output. */
export interface Progress {
  readonly show: (text: string) => void
  readonly clear: () => void
}

const silent: Progress = { show: () => {}, clear: () => {} }

/** The progress line of this process; cleared when the scope closes. */
export const make = Effect.acquireRelease(
  Effect.sync((): Progress => {
    const stream = process.stderr
    if (!stream.isTTY) return silent
    const clear = () => stream.write("\r\u001b[2K")
    return {
      show: (text) => {
        clear()
        stream.write(text.slice(0, (stream.columns || 80) - 1))
      },
      clear
    }
  }),
  (progress) => Effect.sync(progress.clear)
)

/** A bar of `width` characters filled to `share` (0 to 1). */
export const bar = (share: number, width = 24): string => {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width)
  return `[${"#".repeat(filled)}${"-".repeat(width - filled)}]`
}

/** Bytes for people: `12.3 MB`. */
export const bytes = (count: number): string =>
  count < 1e6
    ? `${(count / 1e3).toFixed(1)} kB`
    : count < 1e9
    ? `${(count / 1e6).toFixed(1)} MB`
    : `${(count / 1e9).toFixed(2)} GB`
