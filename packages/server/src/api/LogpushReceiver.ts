/**
 * `POST /ingest/logpush/<source>`: takes the batches of a Logpush job. It answers 200 when a batch is on the disk, needs
 * neither database nor object store, and looks at no `Content-Type`: Cloudflare sends none that fits (Cloudflare page
 * «Enable HTTP destination»).
 */
import { type BatchRefused, defaultBatchLimits } from "@rainlogs/core/receiver/BatchLimits"
import { BatchSpool } from "@rainlogs/core/receiver/BatchSpool"
import { Senders } from "@rainlogs/core/receiver/Senders"
import type { StorageError } from "@rainlogs/core/storage/ObjectStore"
import { Duration, Effect, Layer, Metric, Semaphore } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"

/** Batches received at once; more are asked to come again. */
export const mostAtOnce = 64

/** The longest time for one batch, ms: Cloudflare itself gives up after two minutes («Logpush health»). */
export const longestMs = 180_000

const batches = Metric.counter("rainlogs_receiver_batches_total", {
  description: "Batches pushed to the receiver, by what became of them",
  incremental: true
})
const acknowledged = Metric.histogram("rainlogs_receiver_acknowledgement_ms", {
  description: "Time from the request to the acknowledgement of a stored batch, ms",
  boundaries: [5, 10, 25, 50, 100, 250, 500, 1000, 5000, 30_000]
})

const route = /^\/ingest\/logpush\/([0-9a-f-]{36})$/

const counted = (outcome: string) => Metric.update(Metric.withAttributes(batches, { outcome }), 1)

const answer = (status: number, outcome: string, text: string, headers: Readonly<Record<string, string>> = {}) =>
  Effect.as(counted(outcome), HttpServerResponse.text(`${text}\n`, { status, headers }))

const later = (seconds: number) => ({ "retry-after": String(seconds) })

const onRefusal = ({ detail, reason }: BatchRefused) =>
  answer(reason === "damaged" || reason === "cut" ? 400 : 413, reason, detail)

const onStorage = (error: StorageError) =>
  Effect.andThen(
    Effect.logError("a pushed batch cannot be stored; it is asked for again").pipe(
      Effect.annotateLogs({ category: error.category, detail: error.detail })
    ),
    answer(503, error.category === "full" ? "disk-full" : "storage", "not stored; send it again", later(30))
  )

const onRequest = () => answer(400, "cut", "the body did not come whole")

const bearer = /^Bearer ([\x21-\x7e]{1,512})$/

/** Adds the route. */
export const layer = Layer.unwrap(Effect.gen(function*() {
  const spool = yield* BatchSpool
  const senders = yield* Senders
  const places = yield* Semaphore.make(mostAtOnce)

  const receive = Effect.fn("LogpushReceiver.receive")(function*(request: HttpServerRequest.HttpServerRequest) {
    const [, id = ""] = route.exec(request.url) ?? []
    const [, secret = ""] = bearer.exec(request.headers["authorization"] ?? "") ?? []
    const sender = senders.admit(id, secret)
    // The same answer for an unknown source, a missing secret and a wrong one.
    if (sender === undefined) return yield* answer(401, "unauthorised", "a valid secret is needed")
    const announced = Number(request.headers["content-length"] ?? 0)
    if (announced > defaultBatchLimits.sentBytes) {
      return yield* answer(413, "too-large", `the body is larger than ${defaultBatchLimits.sentBytes} bytes`)
    }
    const received = yield* Effect.timed(spool.receive(sender.source, request.stream)).pipe(
      Effect.timeoutOption(longestMs)
    )
    if (received._tag === "None") return yield* answer(408, "slow", `not received within ${longestMs} ms`)
    const [took, receipt] = received.value
    if (receipt === "stored") yield* Metric.update(acknowledged, Duration.toMillis(took))
    return yield* answer(200, receipt, receipt)
  }, (effect) =>
    effect.pipe(
      Effect.catchTags({ BatchRefused: onRefusal, StorageError: onStorage, HttpServerError: onRequest }),
      places.withPermitsIfAvailable(1),
      Effect.flatMap((response) =>
        response._tag === "Some" ? Effect.succeed(response.value) : answer(503, "busy", "busy; send it again", later(5))
      )
    ))

  return HttpRouter.add(
    "POST",
    "/ingest/logpush/*",
    Effect.flatMap(HttpServerRequest.HttpServerRequest, receive)
  )
}))
