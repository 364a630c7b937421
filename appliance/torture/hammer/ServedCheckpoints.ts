/**
 * Watches the served checkpoint of a ledger as any reader would, as often as it can.
 */
import { checkpointKey } from "@rainlogs/verify/Layout"
import { readFileSync } from "node:fs"
import { join } from "node:path"

/** Reads the served checkpoint every few ms; `stop` gives every note that was seen, in the order in which it came. */
export const watchServed = (archive: string, origin: string) => {
  const path = join(archive, checkpointKey(origin))
  const seen: Array<string> = []
  const look = () => {
    try {
      const note = readFileSync(path, "latin1")
      if (note !== seen.at(-1)) seen.push(note)
    } catch (cause) {
      // Before the first publication there is none.
      if (!(cause instanceof Error && "code" in cause && cause.code === "ENOENT")) throw cause
    }
  }
  const timer = setInterval(look, 5)
  return {
    stop: (): ReadonlyArray<string> => {
      clearInterval(timer)
      look()
      return seen
    }
  }
}
