/**
 * Seeded randomness: 32-bit hashing (MurmurHash3's finaliser) and a counter-based generator whose every stream is addressed by numbers,
 * so that any record can be drawn again without drawing those before it.
 */

/** Scrambles 32 bits; a bijection on unsigned 32-bit integers (MurmurHash3 fmix32). */
export const scramble = (value: number): number => {
  let h = value >>> 0
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  h ^= h >>> 16
  return h >>> 0
}

/** Combines two unsigned 32-bit integers into one. */
export const combine = (a: number, b: number): number =>
  scramble((Math.imul(a, 0x9e3779b1) + scramble(b ^ 0x5bd1e995)) >>> 0)

/** Hashes text to an unsigned 32-bit integer (FNV-1a over UTF-16 units, then scrambled). */
export const hashText = (text: string): number => {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return scramble(h)
}

/** A stream of pseudo-random numbers (splitmix32): same seed, same numbers. */
export class Draws {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** Restarts the stream at another seed, so that a hot loop needs no new object. */
  restart(seed: number): void {
    this.#state = seed >>> 0
  }

  /** The next unsigned 32-bit integer. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0
    return scramble(this.#state)
  }

  /** An integer in [0, bound); `bound` at most 2^32. */
  below(bound: number): number {
    return Math.floor((this.next() / 4294967296) * bound)
  }

  /** A number in [0, 1). */
  unit(): number {
    return this.next() / 4294967296
  }

  /** One element of a non-empty list. */
  pick<A>(list: ReadonlyArray<A>): A {
    const chosen = list[this.below(list.length)]
    if (chosen === undefined) throw new RangeError("Draws.pick needs a non-empty list without holes")
    return chosen
  }

  /** Lower-case hexadecimal text of `digits` characters. */
  hex(digits: number): string {
    let text = ""
    while (text.length < digits) text += this.next().toString(16).padStart(8, "0")
    return text.slice(0, digits)
  }
}

/** How many steps a {@link samplingTable} has; index it with 16 random bits. */
export const SAMPLING_STEPS = 65536

/**
 * A table of 65 536 indices in which index `i` appears in proportion to `weights[i]`: one look-up draws from the distribution.
 * Every positive weight appears at least once as long as there are fewer weights than steps.
 */
export const samplingTable = (weights: ReadonlyArray<number>): Uint16Array => {
  if (weights.length === 0 || weights.length > SAMPLING_STEPS) {
    throw new RangeError(`a sampling table needs 1 to ${SAMPLING_STEPS} weights, not ${weights.length}`)
  }
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const positive = weights.filter((weight) => weight > 0).length
  const table = new Uint16Array(SAMPLING_STEPS)
  let filled = 0
  let owed = 0
  weights.forEach((weight, index) => {
    if (weight <= 0) return
    owed += (weight / total) * (SAMPLING_STEPS - positive)
    const until = Math.min(SAMPLING_STEPS, filled + 1 + Math.max(0, Math.round(owed)))
    owed -= until - filled - 1
    table.fill(index, filled, until)
    filled = until
  })
  const heaviest = weights.indexOf(Math.max(...weights))
  table.fill(heaviest, filled)
  return table
}

/** Zipf weights `1 / rank^exponent` for `count` ranks. */
export const zipfWeights = (count: number, exponent: number): ReadonlyArray<number> =>
  Array.from({ length: count }, (_, rank) => 1 / Math.pow(rank + 1, exponent))

/**
 * The `position`-th element of a permutation of [0, size) chosen by `key` (an affine map with a multiplier coprime to `size`):
 * an order without the memory of a shuffled list.
 */
export const permuted = (size: number, key: number): (position: number) => number => {
  if (size <= 1) return (position) => position
  const offset = scramble(key) % size
  let multiplier = 1 + (scramble(key ^ 0x2545f491) % (size - 1))
  while (greatestCommonDivisor(multiplier, size) !== 1) multiplier = (multiplier % size) + 1
  // size < 2^26, so the product stays an exact integer below 2^53.
  return (position) => (position * multiplier + offset) % size
}

const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b))
