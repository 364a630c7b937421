/**
 * Sizes as people write them: `1GiB`, `500MB`, `4096`.
 */

const units: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3
}

/** The bytes of a size; undefined when it is none. */
export const parseSize = (text: string): number | undefined => {
  const match = /^([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]*)$/.exec(text)
  const unit = units[match?.[2] ?? "none"]
  const bytes = unit === undefined ? Number.NaN : Math.round(Number(match?.[1]) * unit)
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined
}
