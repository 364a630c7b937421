/**
 * What the commands of the verifier share: where they write, how they read keys, times and files, and how they fail.
 */
import { readFile, stat } from "node:fs/promises"
import { MalformedError } from "../Malformed.ts"
import { parseVerifierKey, type VerifierKey } from "../VerifierKey.ts"

/** Where a command writes; `process` is one. */
export interface CommandOutput {
  readonly stdout: { readonly write: (text: string) => unknown }
  readonly stderr: { readonly write: (text: string) => unknown; readonly isTTY?: boolean }
}

/** Exit codes of every command: pass, tampering proven, cannot conclude, malformed input. */
export type ExitCode = 0 | 1 | 2 | 3

/** The command line is wrong; the message says what to do. */
export class UsageError extends Error {
  override readonly name = "UsageError"
}

// Files named on the command line are keys, policies, checkpoints and proofs.
const maxFileBytes = 16 * 1024 * 1024

/** The bytes of a small file named by an option; throws {@link UsageError}. */
export const readSmallFile = async (option: string, path: string): Promise<Uint8Array> => {
  try {
    const { size } = await stat(path)
    if (size > maxFileBytes) throw new UsageError(`${option} ${path}: ${size} bytes, the limit is ${maxFileBytes}`)
    return new Uint8Array(await readFile(path))
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`${option} ${path} cannot be read (${error instanceof Error ? error.message : String(error)})`)
  }
}

/** Reads a verifier key; throws {@link UsageError}. */
export const parseKey = (text: string): VerifierKey => {
  try {
    return parseVerifierKey(text)
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error
    throw new UsageError(`--key "${text}" is not a verifier key (${error.message}); copy it whole, in quotes`)
  }
}

/** The one type 1 key among the keys; throws {@link UsageError}. */
export const logKeyOf = (keys: ReadonlyArray<VerifierKey>): VerifierKey => {
  const [key, ...more] = keys.filter(({ type }) => type === 1)
  if (key === undefined || more.length > 0) throw new UsageError("pass --key once with the log's verifier key (type 1)")
  return key
}

/** A moment as ISO 8601 with a time zone, or Unix ms; answers ms. Throws {@link UsageError}. */
export const parseMoment = (option: string, text: string): number => {
  const iso = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d))?$/
  const ms = /^\d{1,15}$/.test(text) ? Number(text) : iso.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms)) throw new UsageError(`${option} "${text}": write 2026-01-31T12:00:00Z, 2026-01-31 or Unix ms`)
  return ms
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A duration such as `90s`, `5m`, `24h`, `7d`; answers ms. Throws {@link UsageError}. */
export const parseDuration = (option: string, text: string): number => {
  const [, number, unit = ""] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? []
  if (number === undefined) {
    throw new UsageError(`${option} "${text}": write a number and a unit, such as 90s, 5m, 24h or 7d`)
  }
  return Number(number) * (units[unit] ?? 1)
}

/** A line on a terminal, rewritten at most five times a second; nothing where there is no terminal. */
export const progressLine = (output: CommandOutput) => {
  if (output.stderr.isTTY !== true) return { show: (_text: () => string) => {}, clear: () => {} }
  let shownAt = 0
  return {
    show: (text: () => string) => {
      const now = performance.now()
      if (now - shownAt < 200) return
      shownAt = now
      output.stderr.write(`\r\u001b[K${text()}`)
    },
    clear: () => {
      output.stderr.write("\r\u001b[K")
    }
  }
}
