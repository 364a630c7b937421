/**
 * An archive whose every wait ends when a signal is given: a store that hangs must not hold up who wants to stop.
 */
import type { ArchiveReader } from "../ArchiveReader.ts"

/** Waits for the promise, or rejects with the signal's reason. Nothing is left on the signal once the wait is over. */
export const orAborted = <Value>(signal: AbortSignal, promise: Promise<Value>): Promise<Value> =>
  new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason)
    if (signal.aborted) stop()
    signal.addEventListener("abort", stop, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop))
  })

/** The values in order, until the signal is given. The source is told, and not waited for. */
export async function* untilAborted<Value>(
  signal: AbortSignal,
  values: AsyncIterable<Value>
): AsyncGenerator<Value, void> {
  const iterator = values[Symbol.asyncIterator]()
  let ended = false
  try {
    for (;;) {
      const step = await orAborted(signal, iterator.next())
      ended = step.done === true
      if (step.done === true) return
      yield step.value
    }
  } finally {
    // A source that hangs answers this no sooner than the step that was asked for.
    if (!ended) void Promise.resolve(iterator.return?.()).catch(() => undefined)
  }
}

/** The reader with every wait ended by the signal. */
export const abortableReader = (signal: AbortSignal, { hash, list, read }: ArchiveReader): ArchiveReader => ({
  list: (prefix) => untilAborted(signal, list(prefix)),
  read: (key) => orAborted(signal, read(key)),
  hash: (key, options) => orAborted(signal, hash(key, options))
})
