/**
 * CRC-32 as ZIP uses it (APPNOTE 4.4.7): the reflected polynomial 0xEDB88320.
 */

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

/** The CRC of the bytes after those that gave `crc`; 0 to begin with. */
export const crc32 = (bytes: Uint8Array, crc = 0): number => {
  let value = ~crc
  for (let at = 0; at < bytes.length; at++) value = (table[(value ^ (bytes[at] ?? 0)) & 0xff] ?? 0) ^ (value >>> 8)
  return ~value >>> 0
}
