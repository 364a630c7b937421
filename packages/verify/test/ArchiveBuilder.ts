/**
 * The archives that the tests are about, and how they are written to a directory.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { ArchiveBuilder, firstEpoch, hour, minute, start } from "../src/tampering/ArchiveBuilder.ts"
import type { ArchiveFiles } from "./MemoryReader.ts"

export {
  ArchiveBuilder,
  clock,
  firstEpoch,
  hour,
  log,
  minute,
  origin,
  signer,
  source,
  start,
  zone
} from "../src/tampering/ArchiveBuilder.ts"

const line = (time: number) =>
  `{"EdgeStartTimestamp":"${new Date(time).toISOString()}","RayID":"${time.toString(16)}"}\n`

/** One hour of ten-minute windows from `from` on; the third is empty. */
export const hourOfWindows = (builder: ArchiveBuilder, from: number): ArchiveBuilder => {
  for (let index = 0; index < 6; index++) {
    const [begin, end] = [from + index * 10 * minute, from + (index + 1) * 10 * minute]
    builder.window({ from: begin, to: end, lines: index === 2 ? null : line(begin) + line(begin + minute) })
  }
  return builder
}

/** A small valid archive: two hours of windows around a declared gap of one hour, three heartbeats, two publications. */
export const smallArchive = (): ArchiveBuilder => {
  const builder = hourOfWindows(new ArchiveBuilder().begin(), start)
  builder.heartbeat(firstEpoch).publish()
  builder.gap({ from: start + hour, to: start + 2 * hour, detail: "host restarted" }, start + 2 * hour)
  builder.heartbeat(firstEpoch + 1)
  hourOfWindows(builder, start + 2 * hour)
  return builder.heartbeat(firstEpoch + 2).publish()
}

/** A valid archive of `hours` hours of one-minute windows: full tiles from five hours on. */
export const largeArchive = (hours: number): ArchiveBuilder => {
  const builder = new ArchiveBuilder().begin()
  for (let index = 0; index < hours; index++) {
    for (let at = start + index * hour; at < start + (index + 1) * hour; at += minute) {
      builder.window({
        from: at,
        to: at + minute,
        lines: at % (7 * minute) === 0 ? null : line(at),
        time: at + 2 * minute
      })
    }
    builder.heartbeat(firstEpoch + index, { time: start + (index + 1) * hour + 2 * minute }).publish()
  }
  return builder
}

/** Writes the archive to a directory. */
export const writeArchive = (directory: string, files: ArchiveFiles): void => {
  for (const [key, bytes] of files) {
    const path = join(directory, key)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, bytes)
  }
}
