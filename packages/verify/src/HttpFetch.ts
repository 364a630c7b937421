/**
 * Downloads small files over HTTP(S) with nothing but the platform's `fetch`: bounded in size and time, tried again
 * when the server is busy or the body was cut, redirected only within the same origin.
 */
import { FileTooLargeError } from "./ArchiveReader.ts"

/** A file could not be downloaded; the message says what was tried and what to do. */
export class HttpFetchError extends Error {
  override readonly name = "HttpFetchError"
  readonly url: string

  constructor(url: string, reason: string) {
    super(`${url}: ${reason}`)
    this.url = url
  }
}

/** The part of `fetch` that is used. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** How patient a download is; times in ms. */
export interface HttpFetchOptions {
  /** Longest time of one attempt, from the request to the last byte of the body; 60 000 when left out. */
  readonly timeoutMs?: number
  /** Attempts in all; 6 when left out. */
  readonly attempts?: number
  /** Pause before the second attempt, doubled before each later one; 500 when left out. */
  readonly backoffMs?: number
  /** The platform's own when left out. */
  readonly fetch?: Fetch
}

/** Downloads the file at a URL of at most `maxBytes`; null when the server says that it is not there (404, 410). */
export type Download = (url: string, maxBytes: number) => Promise<Uint8Array | null>

/** The longest pause that a server may ask for by `Retry-After`, ms; a longer one is cut to it. */
export const longestRetryAfterMs = 30_000

const maxRedirects = 5
// RFC 9110 §15, RFC 6585 §4: the server, or one before it, is busy. Anything else will not change by asking again.
const busy = new Set([429, 502, 503, 504])
const redirects = new Set([301, 302, 303, 307, 308])

// What is worth another attempt, and the pause that the server asked for.
class Temporary extends Error {
  readonly pauseMs: number | null

  constructor(message: string, pauseMs: number | null = null) {
    super(message)
    this.pauseMs = pauseMs
  }
}

/** A download with these options; rejects with {@link HttpFetchError}, and `FileTooLargeError` for a longer body. */
export const downloader = (options: HttpFetchOptions = {}): Download => {
  const { attempts = 6, backoffMs = 500, timeoutMs = 60_000 } = options
  // Called as a plain function: a browser's fetch refuses to be a method of something else.
  const platformFetch: Fetch = options.fetch ?? ((input, init) => fetch(input, init))

  return async (url, maxBytes) => {
    for (let attempt = 1;; attempt++) {
      try {
        return await within(timeoutMs, (signal) => attemptOnce(platformFetch, url, maxBytes, signal))
      } catch (error) {
        if (!(error instanceof Temporary)) throw error
        if (attempt >= attempts) {
          const tried = attempts === 1 ? "once" : `${attempts} times`
          throw new HttpFetchError(
            url,
            `${error.message}; tried ${tried}. Check that the server is up and the network reaches it, and run again`
          )
        }
        await pause(error.pauseMs ?? Math.min(backoffMs * 2 ** (attempt - 1), longestRetryAfterMs))
      }
    }
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const within = async <Value>(ms: number, run: (signal: AbortSignal) => Promise<Value>): Promise<Value> => {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(), ms)
  try {
    return await run(controller.signal)
  } catch (error) {
    if (controller.signal.aborted) throw new Temporary(`no complete answer within ${ms} ms`)
    throw error
  } finally {
    clearTimeout(timer)
    // Lets go of a connection whose body is not wanted any more.
    controller.abort()
  }
}

// Whatever fetch or a body's reader rejects with is the network's failure: the platforms do not agree on its class.
const networkFailure = (error: unknown): Temporary => {
  const { cause = null, message = String(error) } = error instanceof Error ? error : {}
  const reason = cause instanceof Error && cause.message !== "" ? `${message}: ${cause.message}` : message
  return new Temporary(`the connection failed (${reason})`)
}

const attemptOnce = async (
  platformFetch: Fetch,
  url: string,
  maxBytes: number,
  signal: AbortSignal
): Promise<Uint8Array | null> => {
  let at = url
  for (let hops = 0;; hops++) {
    const response = await platformFetch(at, {
      redirect: "manual",
      credentials: "omit",
      referrerPolicy: "no-referrer",
      signal
    }).catch((error: unknown) => {
      throw networkFailure(error)
    })
    if (response.type === "opaqueredirect") {
      throw new HttpFetchError(url, "the server redirects, which a browser does not show; give the final URL")
    }
    if (redirects.has(response.status)) {
      if (hops >= maxRedirects) throw new HttpFetchError(url, `more than ${maxRedirects} redirects`)
      at = target(url, at, response.headers.get("location"))
      continue
    }
    if (response.status === 404 || response.status === 410) return null
    if (busy.has(response.status)) {
      throw new Temporary(`the server answered ${response.status}`, retryAfter(response.headers.get("retry-after")))
    }
    if (response.status !== 200) {
      const remedy = response.status === 401 || response.status === 403
        ? "the ledger is not open to everybody; ask whoever runs the archive"
        : "check the URL, or ask whoever runs the archive"
      throw new HttpFetchError(url, `the server answered ${response.status}; ${remedy}`)
    }
    return readBody(response, url, maxBytes)
  }
}

// Only within the origin that was named: whoever is sent elsewhere should know, and name that.
const target = (url: string, from: string, location: string | null): string => {
  let next: URL
  try {
    next = new URL(location ?? "", from)
  } catch {
    throw new HttpFetchError(url, "the server redirects to something that is no URL")
  }
  if (location === null) throw new HttpFetchError(url, "the server redirects without saying where")
  if (next.origin === new URL(url).origin && next.username === "" && next.password === "") return next.href
  throw new HttpFetchError(
    url,
    `the server redirects to another origin, ${next.origin}; if that is the archive's, give its URL instead`
  )
}

const retryAfter = (text: string | null): number | null =>
  text !== null && /^[0-9]{1,9}$/.test(text) ? Math.min(Number(text) * 1000, longestRetryAfterMs) : null

const readBody = async (response: Response, url: string, maxBytes: number): Promise<Uint8Array> => {
  // The length of a compressed body is not that of its content.
  const announced = response.headers.get("content-encoding") === null ? response.headers.get("content-length") : null
  const length = announced !== null && /^[0-9]{1,15}$/.test(announced) ? Number(announced) : null
  if (length !== null && length > maxBytes) throw new FileTooLargeError(url, length, maxBytes)
  // Grown by doubling, so that a body in many small pieces costs no more than one in a few.
  let bytes = new Uint8Array(Math.min(length ?? 8192, maxBytes))
  let size = 0
  const reader = response.body?.getReader()
  while (reader !== undefined) {
    const { done, value } = await reader.read().catch((error: unknown) => {
      throw networkFailure(error)
    })
    if (done) break
    const end = size + value.length
    if (end > maxBytes) throw new FileTooLargeError(url, end, maxBytes)
    if (end > bytes.length) {
      const larger = new Uint8Array(Math.min(maxBytes, Math.max(end, bytes.length * 2)))
      larger.set(bytes)
      bytes = larger
    }
    bytes.set(value, size)
    size = end
  }
  if (length !== null && size < length) throw new Temporary(`the body was cut after ${size} of ${length} bytes`)
  return size === bytes.length ? bytes : bytes.slice(0, size)
}
