/**
 * Random valid archives: several zones and sources, windows in and out of order, empty windows, declared gaps,
 * heartbeats and outages, published at random sizes and killed between any two writes.
 */
import { encode as ascii } from "../Ascii.ts"
import { printEntry } from "../Entry.ts"
import { heartbeatSource } from "../Gap.ts"
import { checkpointArchiveKey, checkpointKey, ledgerPrefix } from "../Layout.ts"
import { entriesPath, parseTilePath, tilePath, tileWidth } from "../Tile.ts"
import { ArchiveBuilder, hour, minute, origin, start } from "./ArchiveBuilder.ts"
import type { ArchiveFiles } from "./MemoryReader.ts"
import type { Random } from "./Random.ts"

const tolerance = 10 * minute
const sources = ["cloudflare/logpull/http_requests", "cloudflare/security-events"]
const zones = [
  "9d2a6c1e-58a7-4f2f-9b0e-6d7f4c8b1a22",
  "0d2a6c1e-58a7-4f2f-9b0e-6d7f4c8b1a23",
  "f02a6c1e-58a7-4f2f-9b0e-6d7f4c8b1a24"
]

interface Stretch {
  readonly from: number
  readonly to: number
}

interface Timeline {
  readonly chain: string
  readonly source: string
  next: number
  /** Stretches that were passed over, to be filled later. */
  readonly skipped: Array<Stretch>
}

/** What a moment in the life of a random archive must look like to the verifier. */
export interface Moment {
  readonly files: ArchiveFiles
  /** Whether a checkpoint is served. */
  readonly served: boolean
  readonly what: string
}

/** The life of one archive. */
export class RandomArchive {
  readonly builder = new ArchiveBuilder().begin()
  readonly #random: Random
  readonly #timelines: ReadonlyArray<Timeline>
  #now = start + minute
  #accounted = start / hour - 1
  #served = false

  constructor(choices: Random) {
    this.#random = choices
    const first = choices.integer(zones.length)
    this.#timelines = zones.slice(first).flatMap((chain) =>
      sources.slice(0, 1 + choices.integer(2)).map((source): Timeline => {
        return { chain, source, next: start - choices.integer(5) * hour, skipped: [] }
      })
    )
  }

  /** Appends about `count` entries. */
  grow(count: number): this {
    for (let step = 0; step < count; step++) this.#append()
    return this
  }

  /** Publishes all there is, in the order of the ledger, cut short after a random number of writes when `killed`. */
  publish(ending: "whole" | "killed"): Moment {
    const { builder } = this
    const size = builder.entries.length
    const tiles = new ArchiveBuilder().writeTilesOf(builder.entries.map(printEntry)).files
    const writes: Array<readonly [string, Uint8Array]> = [...tiles].filter(([key]) => !builder.files.has(key))
    const { immutable, served } = builder.sign()
    writes.push([checkpointArchiveKey(origin, size), immutable], [checkpointKey(origin), served])
    const done = ending === "whole" ? writes.length : this.#random.integer(writes.length)
    for (const [key, bytes] of writes.slice(0, done)) builder.files.set(key, bytes)
    if (done === writes.length) {
      this.#served = true
      if (this.#random.chance(1, 3)) this.#cleanUp(size)
    }
    return { ...this.moment(), what: `${ending} after ${done} of ${writes.length} writes, ${size} entries` }
  }

  /** As it is now. */
  moment(): Moment {
    return { files: new Map(this.builder.files), served: this.#served, what: "between publications" }
  }

  #append(): void {
    const choices = this.#random
    this.#now += choices.chance(1, 25) ? choices.integer(6 * hour) : choices.integer(15 * minute)
    this.#beat()
    const timeline = choices.one(this.#timelines)
    const { chain, source, skipped } = timeline
    // What a crash between storing and appending leaves.
    if (choices.chance(1, 20)) this.builder.store(ascii(`orphan ${this.#now}\n`))
    const filled = skipped.length > 0 && choices.chance(1, 3) ? skipped.shift() : undefined
    const { from, to } = filled ?? this.#next(timeline)
    if (filled === undefined && choices.chance(1, 8)) skipped.push({ from, to })
    else if (choices.chance(1, 8)) {
      this.builder.gap({ chain, source, from, to, reason: choices.one(["outage", "expired", "blocked"]) }, this.#now)
    } else {
      const lines = choices.chance(1, 5) ? null : `{"at":${from},"of":"${chain}"}\n`.repeat(1 + choices.integer(3))
      this.builder.window({ chain, source, from, to, lines, time: this.#now, horizon: 365 * 24 * hour })
    }
  }

  #next(timeline: Timeline): Stretch {
    const from = timeline.next
    timeline.next += minute * (1 + this.#random.integer(60))
    return { from, to: timeline.next }
  }

  // What the ledger does: the last ended epoch gets its heartbeat within the tolerance, older ones a gap.
  #beat(): void {
    const ended = Math.floor(this.#now / hour) - 1
    if (ended <= this.#accounted) return
    const onTime = this.#now <= (ended + 1) * hour + tolerance
    const lastMissed = onTime ? ended - 1 : ended
    if (lastMissed > this.#accounted) {
      const missed = { from: (this.#accounted + 1) * hour, to: (lastMissed + 1) * hour }
      this.builder.gap({ chain: "control", source: heartbeatSource, ...missed }, this.#now)
    }
    if (onTime) this.builder.heartbeat(ended, { time: this.#now })
    this.#accounted = ended
  }

  // Partial tiles that a served head has superseded.
  #cleanUp(size: number): void {
    const prefix = `${ledgerPrefix(origin)}/`
    for (const key of this.builder.files.keys()) {
      const tile = key.startsWith(prefix) ? parseTilePath(key.slice(prefix.length)) : null
      if (tile === null || tile.width === tileWidth) continue
      const hashes = tile.level === "entries" ? size : Math.floor(size / tileWidth ** tile.level)
      const width = Math.min(tileWidth, hashes - tile.index * tileWidth)
      const needed = tile.level === "entries" ? entriesPath(tile.index, width) : tilePath(tile.level, tile.index, width)
      if (key !== prefix + needed) this.builder.files.delete(key)
    }
  }
}
