/**
 * The one range of a request for a file (RFC 9110 §14.1.2). Several ranges, other units and what cannot be read are
 * ignored, as the RFC allows: the answer is then the whole file.
 */

/** `[from, to)` of a file of `size` bytes; null for the whole file; "unsatisfiable" if the file has no such part. */
export type RequestedRange = { readonly from: number; readonly to: number } | "unsatisfiable" | null

const pattern = /^bytes=([0-9]{1,15})?-([0-9]{1,15})?$/i

/** Reads a `Range` header. */
export const parse = (header: string | undefined, size: number): RequestedRange => {
  const match = pattern.exec(header?.trim() ?? "")
  if (match === null) return null
  const [, first, last] = match
  if (first === undefined && last === undefined) return null
  // The last bytes of the file: `bytes=-500`.
  if (first === undefined) return suffix(Number(last), size)
  const from = Number(first)
  if (last !== undefined && Number(last) < from) return null
  if (from >= size) return "unsatisfiable"
  return { from, to: last === undefined ? size : Math.min(Number(last) + 1, size) }
}

const suffix = (length: number, size: number): RequestedRange =>
  length === 0 || size === 0 ? "unsatisfiable" : { from: Math.max(0, size - length), to: size }
