/**
 * A clock that runs like the wall's and can be moved on: whoever sleeps until a time that a jump passes wakes at once.
 * The simulator is given the same clock, so that weeks pass without sockets and the database noticing.
 */
import { type Clock, Duration, Effect } from "effect"

interface Sleeper {
  readonly wakeAt: number
  readonly wake: () => void
}

/** The clock and the hand that moves it. */
export interface JumpingClock extends Clock.Clock {
  /** Moves the clock on by `ms`. */
  readonly jump: (ms: number) => void
}

/** A clock that shows `epochMs` (Unix ms) now. */
export const make = (epochMs: number): JumpingClock => {
  const began = performance.now()
  const sleepers = new Set<Sleeper>()
  let jumped = 0
  const elapsed = () => performance.now() - began + jumped
  const now = () => Math.floor(epochMs + elapsed())
  const monotonic = () => BigInt(Math.round(elapsed() * 1000)) * 1000n
  return {
    currentTimeMillisUnsafe: now,
    currentTimeMillis: Effect.sync(now),
    currentTimeNanosUnsafe: () => BigInt(now()) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => BigInt(now()) * 1_000_000n),
    monotonicTimeNanosUnsafe: monotonic,
    monotonicTimeNanos: Effect.sync(monotonic),
    sleep: (duration) =>
      Effect.callback<void>((resume) => {
        const length = Duration.toMillis(duration)
        if (!Number.isFinite(length)) return
        const timer = setTimeout(() => sleeper.wake(), Math.min(length, 2 ** 31 - 1))
        const sleeper: Sleeper = {
          wakeAt: elapsed() + length,
          wake: () => {
            clearTimeout(timer)
            sleepers.delete(sleeper)
            resume(Effect.void)
          }
        }
        sleepers.add(sleeper)
        return Effect.sync(() => {
          clearTimeout(timer)
          sleepers.delete(sleeper)
        })
      }),
    jump: (ms) => {
      jumped += ms
      const reached = Array.from(sleepers).filter(({ wakeAt }) => wakeAt <= elapsed())
      for (const sleeper of reached.toSorted((one, other) => one.wakeAt - other.wakeAt)) sleeper.wake()
    }
  }
}
