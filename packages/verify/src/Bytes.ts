/**
 * Byte strings: concatenation and comparison.
 */

/** The parts one after the other in one new array. */
export const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array<ArrayBuffer> => {
  let length = 0
  for (const part of parts) length += part.length
  const whole = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

/** Whether both have the same length and the same bytes (not in constant time: nothing here is secret). */
export const equal = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && hasPrefix(left, right)

/** Whether `bytes` begins with `prefix`. */
export const hasPrefix = (bytes: Uint8Array, prefix: Uint8Array): boolean => {
  if (prefix.length > bytes.length) return false
  for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false
  return true
}
