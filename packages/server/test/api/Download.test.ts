import { assert, layer } from "@effect/vitest"
import { OpenError } from "@rainlogs/core/archive/OpenError"
import { Effect, Layer, Schedule } from "effect"
import { createHash } from "node:crypto"
import { newArchivedJob, newZone } from "./Fixtures.ts"
import * as MemoryPorts from "./MemoryPorts.ts"
import { MemoryState } from "./MemoryPorts.ts"
import * as Server from "./TestServer.ts"
import { newCustomer, TestServer } from "./TestServer.ts"

const Live = Server.layer.pipe(Layer.provideMerge(MemoryPorts.layer))

const chunk = Buffer.from(`{"line":"${"x".repeat(65_536 - 12)}"}\n`)

const archive = Effect.fnUntraced(function*(chunks: ReadonlyArray<Uint8Array>) {
  const { id, key } = yield* newCustomer("Alice")
  const zone = yield* newZone(key)
  const { job } = yield* newArchivedJob({ zone, customer: id }, chunks)
  return { job, key, path: `/api/v1/logs/jobs/${job.id}/download` }
})

const damaged = new OpenError({ key: "logs/x", code: "not-authentic", detail: "chunk 7 does not authenticate" })

/** Repeats until the objects of all downloads are closed. */
const allClosed = Effect.gen(function*() {
  const { handles } = yield* MemoryState
  if (handles.open > 0) return yield* Effect.fail("an object is still open" as const)
  assert.isAbove(handles.everOpened, 0)
}).pipe(Effect.retry(Schedule.spaced("20 millis")), Effect.timeout("5 seconds"))

/** The status and all bytes, or how the transfer failed. */
const fetchAll = (url: string, key: string) =>
  Effect.promise(async () => {
    const response = await fetch(url, { headers: { authorization: `Bearer ${key}` } })
    const hash = createHash("sha256")
    let received = 0
    try {
      for await (const part of response.body ?? []) {
        received += part.length
        hash.update(part)
      }
    } catch {
      return { status: response.status, outcome: "broken" as const, received, sha256: "" }
    }
    return { status: response.status, outcome: "whole" as const, received, sha256: hash.digest("hex") }
  })

layer(Live, { excludeTestServices: true })("downloads over a socket", (it) => {
  it.effect("16 MiB arrive byte for byte, with length, type and hash announced", () =>
    Effect.gen(function*() {
      const { url } = yield* TestServer
      const chunks = Array.from({ length: 256 }, () => chunk)
      const { key, path } = yield* archive(chunks)
      const whole = yield* fetchAll(`${url}${path}`, key)
      const expected = createHash("sha256")
      for (const part of chunks) expected.update(part)
      assert.deepStrictEqual(whole, {
        status: 200,
        outcome: "whole",
        received: 256 * chunk.length,
        sha256: expected.digest("hex")
      })
      const head = yield* Effect.promise(() =>
        fetch(`${url}${path}`, { method: "HEAD", headers: { authorization: `Bearer ${key}` } })
      )
      assert.strictEqual(head.headers.get("content-length"), String(256 * chunk.length))
      assert.strictEqual(head.headers.get("content-type"), "application/x-ndjson")
      assert.strictEqual(head.headers.get("etag"), `"${"ab".repeat(32)}"`)
      yield* allClosed
    }), 30_000)

  it.effect(
    "a client that does not read holds the object back, and one that goes away closes it",
    () =>
      Effect.gen(function*() {
        const { log, url } = yield* TestServer
        const state = yield* MemoryState
        const { key, path } = yield* archive(Array.from({ length: 4096 }, () => chunk))
        const before = state.pulled
        const controller = new AbortController()
        const reader = yield* Effect.promise(async () => {
          const response = await fetch(`${url}${path}`, {
            headers: { authorization: `Bearer ${key}` },
            signal: controller.signal
          })
          assert.strictEqual(response.status, 200)
          const reader = response.body?.getReader()
          await reader?.read()
          return reader
        })
        yield* Effect.sleep("500 millis")
        assert.strictEqual(state.handles.open, 1)
        assert.isBelow(state.pulled - before, 64 * 1024 * 1024, "pulled far ahead of the client")
        const errors = log.length
        controller.abort()
        yield* allClosed
        assert.isDefined(reader)
        assert.isFalse(log.slice(errors).some((line) => line.includes("cannot be read")))
      }),
    30_000
  )

  it.effect(
    "an object that is damaged in the middle breaks the connection off, and the log says why",
    () =>
      Effect.gen(function*() {
        const { log, url } = yield* TestServer
        const state = yield* MemoryState
        const whole = Array.from({ length: 64 }, () => chunk)
        const { job, key, path } = yield* archive(whole)
        state.lines.set(job.id, [...whole.slice(0, 40), damaged])
        const answer = yield* fetchAll(`${url}${path}`, key)
        assert.strictEqual(answer.outcome, "broken")
        assert.isBelow(answer.received, 64 * chunk.length)
        assert.isTrue(
          log.some((line) => line.includes("cannot be read") && line.includes(job.id) && line.includes("chunk 7"))
        )
        yield* allClosed
      }),
    30_000
  )

  it.effect(
    "an object whose damage shows only after its last byte is not a whole answer either",
    () =>
      Effect.gen(function*() {
        const { url } = yield* TestServer
        const state = yield* MemoryState
        const whole = Array.from({ length: 64 }, () => chunk)
        const { job, key, path } = yield* archive(whole)
        state.lines.set(job.id, [...whole, Buffer.alloc(0), damaged])
        const answer = yield* fetchAll(`${url}${path}`, key)
        assert.strictEqual(answer.outcome, "broken")
        yield* allClosed
      }),
    30_000
  )

  it.effect(
    "an object that is damaged from the start is a 500 problem, not half an answer",
    () =>
      Effect.gen(function*() {
        const { request } = yield* TestServer
        const state = yield* MemoryState
        for (const lines of [[damaged], [Buffer.from("{}\n"), damaged]]) {
          const { job, key, path } = yield* archive([Buffer.from("{}\n")])
          state.lines.set(job.id, lines)
          const answer = yield* request("GET", path, { key })
          assert.strictEqual(answer.status, 500)
          assert.strictEqual(JSON.parse(answer.text).type, "urn:rainlogs:problem:object-unreadable")
          assert.notInclude(answer.text, "chunk 7")
        }
        yield* allClosed
      }),
    30_000
  )
})
