/**
 * What a Logpull body may look like: NDJSON, or empty. Cloudflare says in the body itself that it could not finish:
 * a 200 whose last line is `Error streaming data.` (Cloudflare page «Requesting logs»), which must never pass for the
 * end of the window. The lines themselves are checked where they are sealed.
 */
import { Cause, Effect, Pull, Stream } from "effect"
import { CollectionError } from "./CollectionError.ts"

/** The trailer of a stream that Cloudflare could not finish. */
export const trailer = "Error streaming data."

const malformed = (code: string, detail: string): CollectionError =>
  new CollectionError({ category: "malformed", code, detail, remedy: null, retryAfterMs: null })

const isSpace = (byte: number): boolean => byte === 0x0a || byte === 0x0d || byte === 0x20 || byte === 0x09

/** How much of the end is kept, bytes: the trailer, and space around it. */
const tailBytes = 64

/** One byte, one character: only ASCII is looked for. */
const latin1 = new TextDecoder("latin1")

/** Watches the end of the body across pieces, whatever white space follows it. */
export class EndWatch {
  #tail = ""

  /** Takes the next piece of the body. */
  push(piece: Uint8Array): void {
    let end = piece.length
    while (end > 0 && isSpace(piece[end - 1]!)) end--
    const filled = latin1.decode(piece.subarray(Math.max(0, end - tailBytes), end))
    // White space is kept as one space: the trailer has some inside, and any amount may follow it.
    const space = end < piece.length ? " " : ""
    this.#tail = (this.#tail + filled + space).replace(/\s+$/, " ").slice(-tailBytes)
  }

  /** What the end of the body is: nothing but white space, the trailer, a JSON object's, or none of these. */
  get ending(): "empty" | "trailer" | "object" | "other" {
    const end = this.#tail.trimEnd()
    if (end === "") return "empty"
    // A JSON line ends with a brace, so none can look like the trailer.
    return end.endsWith(trailer) ? "trailer" : end.endsWith("}") ? "object" : "other"
  }
}

/**
 * What the first bytes say that is no log: a web page, or the API's envelope with status 200 (one line of valid JSON
 * that would otherwise be archived as a record; no field of any dataset is called `success` or `errors`).
 */
const openingError = (opening: string): CollectionError | undefined => {
  if (/^\s*</.test(opening)) return malformed("html-page", "a web page came instead of logs")
  if (/^\s*\{\s*"(?:success|errors|result)"\s*:/.test(opening)) {
    return malformed("error-envelope", "an API answer came instead of logs")
  }
  return undefined
}

const endingError = ({ ending }: EndWatch): CollectionError | undefined => {
  if (ending === "trailer") return malformed("truncated-stream", `the stream ended with “${trailer}”`)
  return ending === "other" ? malformed("truncated-stream", "the last line is not a whole JSON object") : undefined
}

/** The first `openingBytes` are looked at, however small the pieces. */
const openingBytes = 64

/** Passes the bytes on unchanged; fails on what is no log and on the trailer instead of ending. */
export const logpullBody = <R>(
  self: Stream.Stream<Uint8Array, CollectionError, R>
): Stream.Stream<Uint8Array, CollectionError, R> =>
  Stream.transformPull(self, (pull) =>
    Effect.sync(() => {
      const watch = new EndWatch()
      let opening = ""
      return Pull.catchDone(
        Effect.flatMap(pull, (pieces) => {
          for (const piece of pieces) {
            watch.push(piece)
            if (opening.length < openingBytes) {
              opening += latin1.decode(piece.subarray(0, openingBytes - opening.length))
            }
          }
          const error = openingError(opening)
          return error === undefined ? Effect.succeed(pieces) : Effect.fail(error)
        }),
        (): Effect.Effect<never, CollectionError | Cause.Done> => endingError(watch) ?? Cause.done()
      )
    }))
