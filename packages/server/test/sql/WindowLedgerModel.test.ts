/**
 * Random sequences of every operation against a small model in memory: after each step the tiles in the database are
 * the model's, so committed ∪ gaps ∪ open windows = the timeline, whatever happened.
 */
import { assert, describe, layer } from "@effect/vitest"
import { type GapRecord, type LeasedJob, WindowLedger } from "@rainlogs/core/archive/WindowLedger"
import type { JobId } from "@rainlogs/core/domain/Identifier"
import { eventJobIdOf, jobIdOf } from "@rainlogs/core/domain/LogJob"
import type { Source } from "@rainlogs/core/domain/Source"
import type { Window } from "@rainlogs/core/domain/Window"
import { LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import { parseEntry } from "@rainlogs/verify/Entry"
import { Effect, Option, Stream } from "effect"
import { digest, Live, live, makeOne, objectFor, readTiles, start, step } from "./fixtures.ts"

/** Mulberry32: the same numbers in [0, 1) for the same seed. */
const randomFrom = (seed: number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

interface ModelJob {
  readonly id: JobId
  readonly window: Window
  state: "planned" | "leased" | "stored" | "committed" | "gap" | "split" | "superseded"
  fence: number
  leaseUntil: number
  notBefore: number
  object: string | null
}

/** What the window ledger should do, as simply as it can be said. */
class Model {
  readonly jobs = new Map<JobId, ModelJob>()
  readonly source: Source
  entries = 0
  constructor(source: Source) {
    this.source = source
  }

  get tiles(): ReadonlyArray<ModelJob> {
    return [...this.jobs.values()]
      .filter(({ state }) => state !== "split" && state !== "superseded")
      .toSorted((a, b) => a.window.from - b.window.from)
  }

  get plannedTo(): number {
    return this.tiles.at(-1)?.window.to ?? start
  }

  add(
    window: Window,
    id = jobIdOf(this.source.origin, this.source.zone, this.source.name, window),
    state: ModelJob["state"] = "planned"
  ) {
    this.jobs.set(id, { id, window, state, fence: 0, leaseUntil: 0, notBefore: 0, object: null })
  }

  isDue(job: ModelJob, now: number): boolean {
    return job.notBefore <= now &&
      (job.state === "planned" || ((job.state === "leased" || job.state === "stored") && job.leaseUntil <= now))
  }

  /** Whether the range may become a gap, and if so makes it one. */
  declareGap({ document, range }: GapRecord): boolean {
    const id = eventJobIdOf(this.source.origin, document.sha256)
    if (this.jobs.has(id)) return true
    const covered = this.tiles.filter(({ window }) => window.to > range.from && window.from < range.to)
    const [first] = covered
    const last = covered.at(-1)
    const joins = first === undefined ? range.from === this.plannedTo : first.window.from <= range.from
    if (!joins || covered.some(({ state }) => state !== "planned")) return false
    for (const job of covered) job.state = "superseded"
    if (first !== undefined && first.window.from < range.from) this.add({ from: first.window.from, to: range.from })
    if (last !== undefined && last.window.to > range.to) this.add({ from: range.to, to: last.window.to })
    this.add(range, id, "gap")
    this.entries++
    return true
  }
}

const kinds = [
  "plan",
  "plan",
  "lease",
  "lease",
  "lease",
  "stored",
  "commit",
  "commit",
  "retry",
  "split",
  "gap",
  "wait"
] as const

const play = Effect.fnUntraced(function*(seed: number, steps: number) {
  const random = randomFrom(seed)
  const below = (limit: number) => Math.floor(random() * limit)
  const ledger = yield* WindowLedger
  const { source } = yield* makeOne
  const model = new Model(source)
  const handles: Array<LeasedJob> = []
  let now = start

  for (let turn = 0; turn < steps; turn++) {
    const kind = kinds[below(kinds.length)] ?? "wait"
    const label = `seed ${seed}, step ${turn}, ${kind}`
    const handle = handles[below(handles.length)]
    const held = handle === undefined ? undefined : model.jobs.get(handle.job.id)
    const current = handle !== undefined && held !== undefined && held.fence === handle.fence

    switch (kind) {
      case "plan": {
        const windows: Array<Window> = []
        let from = random() < 0.1 ? start + below(20) * step : model.plannedTo
        const plannedTo = from
        for (let i = below(4); i >= 0; i--) {
          const to = from + (1 + below(4)) * step
          windows.push({ from, to })
          from = to
        }
        const outcome = yield* Effect.result(ledger.plan({ source, plannedTo }, windows, now))
        if (plannedTo === model.plannedTo) {
          assert.strictEqual(outcome._tag, "Success", label)
          for (const window of windows) model.add(window)
        } else assert.strictEqual(outcome._tag === "Failure" && outcome.failure._tag, "TimelineMoved", label)
        break
      }
      case "lease": {
        const candidates = [...model.jobs.values()]
        const job = candidates[below(candidates.length)]
        if (job === undefined) break
        const until = now + 1 + below(100)
        const leased = yield* ledger.lease({ customer: source.customer, job: job.id }, "w", now, until)
        assert.strictEqual(Option.isSome(leased), model.isDue(job, now), label)
        if (Option.isSome(leased)) {
          job.state = "leased"
          job.fence++
          job.leaseUntil = until
          assert.strictEqual(leased.value.fence, job.fence, label)
          assert.strictEqual(leased.value.stored?.sha256 ?? null, job.object, label)
          handles.push(leased.value)
        }
        break
      }
      case "stored":
      case "commit": {
        if (handle === undefined || held === undefined) break
        const object = objectFor(handle, String(below(3)))
        const target = kind === "commit" ? "committed" : "stored"
        const outcome = yield* Effect.result(ledger[kind](handle, object, now))
        const allowed = current && (held.state === "leased" || (kind === "commit" && held.state === "stored"))
        const repeated = current && held.state === target && held.object === object.sha256
        assert.strictEqual(outcome._tag === "Success", allowed || repeated, label)
        if (allowed) {
          held.state = target
          held.object = object.sha256
          if (kind === "commit") model.entries++
        }
        break
      }
      case "retry": {
        if (handle === undefined || held === undefined) break
        const notBefore = now + below(60)
        const failure = { code: "c", detail: "d", counts: random() < 0.5 ? "failure" : "postponement" } as const
        const outcome = yield* Effect.result(ledger.retry(handle, failure, notBefore, now))
        const allowed = current && (held.state === "leased" || held.state === "stored")
        assert.strictEqual(outcome._tag === "Success", allowed || (current && held.state === "planned"), label)
        if (allowed) {
          held.state = "planned"
          held.notBefore = notBefore
        }
        break
      }
      case "split": {
        if (handle === undefined || held === undefined || held.window.to - held.window.from < 2) break
        const { from, to } = held.window
        const at = from + 1 + below(to - from - 1)
        const outcome = yield* Effect.result(ledger.split(handle, at, now))
        const allowed = current && held.state === "leased"
        assert.strictEqual(outcome._tag === "Success", allowed || (current && held.state === "split"), label)
        if (allowed) {
          held.state = "split"
          model.add({ from, to: at })
          model.add({ from: at, to })
        }
        break
      }
      case "gap": {
        const edges = [start, model.plannedTo, ...model.tiles.map(({ window }) => window.from)]
        const from = (edges[below(edges.length)] ?? start) + (random() < 0.3 ? below(step) : 0)
        const range = { from, to: from + 1 + below(6 * step) }
        const gap: GapRecord = {
          source,
          range,
          reason: "expired",
          detected: now,
          document: { sha256: digest(`gap ${seed} ${range.from} ${range.to}`), size: 9 }
        }
        const outcome = yield* Effect.result(ledger.declareGap(gap))
        if (model.declareGap(gap)) assert.strictEqual(outcome._tag, "Success", label)
        else assert.strictEqual(outcome._tag === "Failure" && outcome.failure._tag, "TimelineMoved", label)
        break
      }
      case "wait":
        now += below(200)
        break
    }
    const tiles = yield* readTiles(source)
    assert.deepStrictEqual(
      tiles.map(({ from, job, state, to }) => ({ from, to, job, state })),
      model.tiles.map(({ id, state, window }) => ({ ...window, job: id, state })),
      label
    )
    tiles.forEach((tile, i) => assert.strictEqual(tile.from, i === 0 ? start : tiles[i - 1]?.to, label))
  }
  yield* compareReports(model, now)
})

const compareReports = Effect.fnUntraced(function*(model: Model, now: number) {
  const ledger = yield* WindowLedger
  const { source } = model
  const count = (state: ModelJob["state"]) => [...model.jobs.values()].filter((job) => job.state === state).length
  const [progress] = yield* ledger.progress(source.customer)
  assert.isDefined(progress)
  assert.deepStrictEqual(progress.windows, {
    planned: count("planned"),
    leased: count("leased"),
    stored: count("stored"),
    committed: count("committed"),
    gap: count("gap"),
    split: count("split")
  })
  assert.strictEqual(progress.plannedTo, model.plannedTo)
  const oldest = model.tiles.find(({ state }) => state !== "committed" && state !== "gap")
  assert.strictEqual(progress.oldestUncommitted, oldest?.window.from ?? null)

  const due = yield* ledger.due(now, 10_000)
  assert.deepStrictEqual(
    due.filter(({ customer }) => customer === source.customer).map(({ job }) => job).toSorted(),
    model.tiles.filter((job) => model.isDue(job, now)).map(({ id }) => id).toSorted()
  )

  const runs: Array<{ range: { from: number; to: number }; closed: boolean }> = []
  const before = start + 30 * step
  model.tiles.forEach((tile, i) => {
    if (tile.state !== "planned" || tile.window.from >= before) return
    const following = model.tiles[i + 1]?.state
    const closed = following === "committed" || following === "gap"
    const last = runs.at(-1)
    if (last?.range.to === tile.window.from) {
      runs[runs.length - 1] = { range: { from: last.range.from, to: tile.window.to }, closed }
    } else runs.push({ range: { ...tile.window }, closed })
  })
  assert.deepStrictEqual(
    (yield* ledger.uncollected(source, before)).map(({ closed, range }) => ({ range, closed })),
    runs
  )

  const store = yield* LedgerStore
  const rows = yield* Stream.runCollect(
    store.rows({ customer: source.customer, origin: source.origin }, 0, Number.MAX_SAFE_INTEGER)
  )
  const entries = rows.map((row) => parseEntry(row.entry))
  assert.strictEqual(entries.length, model.entries)
  const archived = model.tiles.filter(({ state }) => state === "committed" || state === "gap").map(({ id }) => id)
  assert.deepStrictEqual(entries.map(({ job }) => job).toSorted(), archived.toSorted())
})

describe("WindowLedgerSql against a model", { timeout: 120_000 }, () => {
  layer(Live, live)((it) => {
    for (let seed = 1; seed <= 12; seed++) {
      it.effect(`does what the model does, seed ${seed}`, () => play(seed, 120))
    }
  })
})
