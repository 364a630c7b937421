import { assert, describe, it } from "@effect/vitest"
import { makeOrigin } from "@rainlogs/core/domain/Customer"
import { CustomerId, ZoneId } from "@rainlogs/core/domain/Identifier"
import { eventJobIdOf, type JobEvent, jobIdOf, type JobState, next, transitions } from "@rainlogs/core/domain/LogJob"

const states = Object.keys(transitions) as Array<JobState>
const events: Array<JobEvent> = ["lease", "store", "commit", "fail", "split", "expire"]

describe("the state table of a job", () => {
  it("lets nothing leave a final state", () => {
    for (const state of ["committed", "gap", "split"] as const) {
      for (const event of events) assert.isUndefined(next(state, event), `${state} × ${event}`)
    }
  })

  it("commits only what was leased", () => {
    for (const state of states) {
      assert.strictEqual(next(state, "commit") !== undefined, state === "leased" || state === "stored", state)
    }
  })

  it("reaches every state from planned", () => {
    const reached = new Set<JobState>(["planned"])
    for (const state of reached) {
      for (const event of events) {
        const after = next(state, event)
        if (after !== undefined) reached.add(after)
      }
    }
    assert.sameMembers([...reached], states)
  })
})

describe("job ids", () => {
  const origin = makeOrigin("archive.example.eu", CustomerId.make("6f1c1e0e-3b1a-4c37-8a55-0d5b7e9a2f10"))
  const zone = ZoneId.make("9d2a6c1e-58a7-4f2f-9b0e-6d7f4c8b1a22")
  const window = { from: 1_767_225_600_000, to: 1_767_226_200_000 }

  it("are UUIDv8 and the same for every attempt", () => {
    const id = jobIdOf(origin, zone, "cloudflare/logpull/http_requests", window)
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    assert.strictEqual(id, jobIdOf(origin, zone, "cloudflare/logpull/http_requests", { ...window }))
  })

  it("differ by window, chain, origin and from events", () => {
    const other = makeOrigin("archive.example.eu", CustomerId.make("6f1c1e0e-3b1a-4c37-8a55-0d5b7e9a2f11"))
    const source = "cloudflare/logpull/http_requests"
    const ids = [
      jobIdOf(origin, zone, source, window),
      jobIdOf(origin, zone, source, { from: window.from, to: window.to + 1 }),
      jobIdOf(origin, ZoneId.make("9d2a6c1e-58a7-4f2f-9b0e-6d7f4c8b1a23"), source, window),
      jobIdOf(other, zone, source, window),
      eventJobIdOf(origin, "0".repeat(64)),
      eventJobIdOf(other, "0".repeat(64))
    ]
    assert.strictEqual(new Set(ids).size, ids.length)
  })
})
