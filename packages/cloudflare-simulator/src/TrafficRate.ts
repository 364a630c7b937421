/** How many records a zone receives in one second: a daily curve, quieter weekends, slow swings, and Poisson noise. */
import { combine, type Draws } from "./Seed.ts"

const SECONDS_PER_DAY = 86_400

/** The daily and weekly curve at a Unix second: mean 1 over a week, between about 0.35 and 1.75. */
export const diurnalFactor = (second: number): number => {
  const dayFraction = (second % SECONDS_PER_DAY) / SECONDS_PER_DAY
  // Day 0 of the Unix epoch was a Thursday.
  const weekday = (Math.floor(second / SECONDS_PER_DAY) + 4) % 7
  const week = weekday === 0 || weekday === 6 ? 0.8 : 1.08
  // Busiest at 19:00 UTC with a shoulder at noon.
  const day = 1 + 0.5 * Math.cos(2 * Math.PI * (dayFraction - 19 / 24)) +
    0.15 * Math.cos(4 * Math.PI * (dayFraction - 12 / 24))
  return day * week
}

/** Records received in one second: a pure function of its arguments. */
export const recordsInSecond = (zoneSeed: number, second: number, recordsPerSecond: number, draws: Draws): number => {
  if (recordsPerSecond <= 0) return 0
  const minuteSwing = 0.85 + 0.3 * (combine(zoneSeed ^ 0x6d696e75, Math.floor(second / 60)) / 4294967296)
  const mean = recordsPerSecond * diurnalFactor(second) * minuteSwing
  draws.restart(combine(zoneSeed ^ 0x636f756e, second))
  return mean < 30 ? smallPoisson(mean, draws) : Math.max(0, Math.round(mean + Math.sqrt(mean) * gaussian(draws)))
}

const smallPoisson = (mean: number, draws: Draws): number => {
  const limit = Math.exp(-mean)
  let product = draws.unit()
  let count = 0
  while (product > limit) {
    product *= draws.unit()
    count++
  }
  return count
}

const gaussian = (draws: Draws): number =>
  Math.sqrt(-2 * Math.log(1 - draws.unit())) * Math.cos(2 * Math.PI * draws.unit())
