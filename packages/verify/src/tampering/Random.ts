/**
 * Seeded random choices: the same seed gives the same test run.
 */

/** A source of random numbers (xorshift128), and the choices made with it. */
export interface Random {
  /** An integer in `[0, below)`. */
  readonly integer: (below: number) => number
  /** True `times` times out of `outOf`. */
  readonly chance: (times: number, outOf: number) => boolean
  /** One of the items; throws when there is none. */
  readonly one: <Item>(items: ReadonlyArray<Item>) => Item
  readonly bytes: (length: number) => Uint8Array
}

/** Random choices that are the same for the same seed. */
export const random = (seed: number): Random => {
  const state = Uint32Array.of(seed, 0x9e3779b9, 0x243f6a88, 0xb7e15162)
  const next = (): number => {
    let [x = 0] = state
    const [, y = 0, z = 0, w = 0] = state
    x ^= x << 11
    x ^= x >>> 8
    state.set([y, z, w, w ^ (w >>> 19) ^ x])
    return state[3] ?? 0
  }
  // The first numbers of similar seeds are similar.
  for (let round = 0; round < 20; round++) next()
  const integer = (below: number) => next() % below
  return {
    integer,
    chance: (times, outOf) => integer(outOf) < times,
    one: (items) => {
      const item = items[integer(items.length)]
      if (item === undefined) throw new RangeError("nothing to choose from")
      return item
    },
    bytes: (length) => Uint8Array.from({ length }, () => integer(256))
  }
}
