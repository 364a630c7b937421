/**
 * A clock that runs faster than the wall, shared by processes that are given the same three numbers: simulated Unix ms
 * `epochMs` at the real moment `realEpochMs`, `speed` simulated seconds a second. Sleeping is as much shorter.
 */
import { simulatedClock, type SimulatedTime } from "@rainlogs/cloudflare-simulator/SimulatedClock"
import { type Clock, Duration, Effect } from "effect"

/** The Effect clock of simulated time. */
export const make = (time: SimulatedTime): Clock.Clock => {
  const now = simulatedClock(time)
  const nanos = () => BigInt(Math.round(performance.now() * time.speed * 1000)) * 1000n
  return {
    currentTimeMillisUnsafe: now,
    currentTimeMillis: Effect.sync(now),
    currentTimeNanosUnsafe: () => BigInt(now()) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => BigInt(now()) * 1_000_000n),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: (duration) =>
      Effect.callback<void>((resume) => {
        const milliseconds = Duration.toMillis(duration) / time.speed
        if (!Number.isFinite(milliseconds)) return
        const timer = setTimeout(() => resume(Effect.void), Math.min(milliseconds, 2 ** 31 - 1))
        return Effect.sync(() => clearTimeout(timer))
      })
  }
}
