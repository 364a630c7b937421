/**
 * JSON text as a "byte string": a string with one character per UTF-8 byte. Lines are assembled from such pieces and written with the
 * latin1 encoding, which is several times faster than encoding UTF-8 for every line.
 */

/** UTF-8 bytes of `text`, one character (U+0000–U+00FF) per byte. */
export const toByteString = (text: string): string => Buffer.from(text, "utf8").toString("latin1")

/** Compact JSON of a value as a byte string. */
export const jsonOf = (value: unknown): string => toByteString(JSON.stringify(value))

/** The bytes of a byte string. */
export const bytesOf = (byteString: string): Uint8Array => Buffer.from(byteString, "latin1")

/** JSON texts (byte strings) by field name: the part of a record that many records share. */
export type JsonFields = Readonly<Record<string, string>>

/** Converts plain values to {@link JsonFields}. */
export const jsonFields = (values: Readonly<Record<string, unknown>>): JsonFields =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, jsonOf(value)]))
