/**
 * A small seeded generator (Mulberry32), so that a seed's faults and kills come at the same draws.
 */

/** Draws numbers in `[0, 1)`; the same seed draws the same ones. */
export const drawer = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
}
