/**
 * Looks at the archive now and then and tells the sinks what began and what ended. The book lies in a file, so that a
 * restart tells nothing twice and a sink that was away is told later; it needs no database, for that may be what is
 * wrong.
 */
import { Clock, Duration, Effect, Layer, Metric, Schema } from "effect"
import * as Backoff from "../resilience/Backoff.ts"
import * as DurableFile from "../storage/DurableFile.ts"
import { inWords } from "./Alert.ts"
import { advance, AlertBook, type AlertRules, defaultRules, type Delivery, emptyBook } from "./AlertBook.ts"
import { AlertConditions } from "./AlertConditions.ts"
import { AlertSinks } from "./AlertSink.ts"

/** `file` holds the book; a look every `everyMs`; a notice is given up after `giveUpMs`. */
export interface AlertLoopOptions {
  readonly file: string
  readonly everyMs: number
  readonly giveUpMs: number
  readonly rules: AlertRules
  readonly backoff: Backoff.BackoffOptions
}

/** A look every 30 s; what cannot be delivered is tried for three days, at first after 5 s, later every 15 min. */
export const defaultAlertLoop: Omit<AlertLoopOptions, "file"> = {
  everyMs: 30_000,
  giveUpMs: 3 * 86_400_000,
  rules: defaultRules,
  backoff: { baseMs: 5000, capMs: 900_000 }
}

const deliveries = Metric.counter("rainlogs_alert_notices_total", {
  description: "Attempts to deliver an alert, by sink and outcome",
  incremental: true
})
const openAlerts = Metric.gauge("rainlogs_alerts_open", { description: "Conditions that hold now and were told" })

const count = (sink: string, outcome: "delivered" | "failed" | "given-up") =>
  Metric.update(Metric.withAttributes(deliveries, { sink, outcome }), 1)

const Stored = Schema.fromJsonString(AlertBook)

/** The book in the file. One that cannot be read is put aside with a warning: alerts are told again, never lost. */
const readBook = Effect.fnUntraced(function*(file: string) {
  const bytes = yield* Effect.tryPromise(() => DurableFile.readIfPresent(file))
  if (bytes === null) return emptyBook
  return yield* Schema.decodeUnknownEffect(Stored)(new TextDecoder().decode(bytes))
}, (read, file) =>
  Effect.catch(read, (error) =>
    Effect.as(
      Effect.logWarning("the book of alerts cannot be read; what is open is told again").pipe(
        Effect.annotateLogs({ file, error: String(error) })
      ),
      emptyBook
    )))

const writeBook = (file: string, book: AlertBook) =>
  Effect.flatMap(
    Schema.encodeEffect(Stored)(book),
    (text) => Effect.tryPromise(() => DurableFile.writeDurably(file, new TextEncoder().encode(text)))
  ).pipe(
    // Without the file a restart tells again what was told: worse is to tell nothing.
    Effect.catch((error) => Effect.logError("the book of alerts cannot be written", error))
  )

/** One look and one round of deliveries; returns the book that comes next. Everything durable is in the file. */
export const round = Effect.fn("AlertLoop.round")(function*(options: AlertLoopOptions, before: AlertBook) {
  const conditions = yield* AlertConditions
  const sinks = yield* AlertSinks
  const look = yield* conditions.look
  const now = yield* Clock.currentTimeMillis
  const advanced = advance(before, look, sinks.map(({ id }) => id), options.rules, now)
  if (advanced.dropped > 0) {
    yield* Effect.logWarning(`${advanced.dropped} undelivered alerts are dropped: too many wait`)
  }
  for (const notice of advanced.notices) {
    const { text, title } = inWords(notice)
    yield* notice.phase === "resolved" ? Effect.logInfo(`${title}: ${text}`) : Effect.logWarning(`${title}: ${text}`)
  }
  yield* Metric.update(openAlerts, advanced.book.open.filter(({ told }) => told).length)
  // Durable before it is sent: a kill in between sends it again, which the receiver sees by its id.
  if (JSON.stringify(advanced.book) !== JSON.stringify(before)) yield* writeBook(options.file, advanced.book)

  const deliver = Effect.fnUntraced(function*(delivery: Delivery) {
    const sink = sinks.find(({ id }) => id === delivery.sink)
    if (sink === undefined || delivery.notBefore > now) return delivery
    return yield* sink.send(delivery.notice).pipe(
      Effect.andThen(count(sink.id, "delivered")),
      Effect.as(null),
      Effect.catch((error) =>
        Effect.gen(function*() {
          const attempts = delivery.attempts + 1
          const failedAt = yield* Clock.currentTimeMillis
          if (error.permanent || failedAt - delivery.notice.at > options.giveUpMs) {
            yield* Effect.logError(`an alert is given up after ${attempts} attempts: ${error.message}`)
            yield* count(sink.id, "given-up")
            return null
          }
          if (attempts === 1) {
            yield* Effect.logWarning(`an alert was not delivered and is tried again: ${error.message}`)
          }
          yield* count(sink.id, "failed")
          const delay = yield* Backoff.delay(options.backoff, delivery.attempts, error.retryAfterMs ?? 0)
          return { ...delivery, attempts, notBefore: failedAt + delay }
        })
      )
    )
  })

  // One sink after the other is told in order; a sink that hangs does not hold up the others.
  const bySink = Map.groupBy(advanced.book.outbox, ({ sink }) => sink)
  const left = yield* Effect.forEach(
    [...bySink.values()],
    (waiting) => Effect.forEach(waiting, deliver),
    { concurrency: "unbounded" }
  )
  const outbox = left.flat().filter((delivery) => delivery !== null)
  const book: AlertBook = { ...advanced.book, outbox }
  if (advanced.book.outbox.length > 0) yield* writeBook(options.file, book)
  return book
})

/** Runs in the background of the layer's scope. */
export const layer = (options: AlertLoopOptions) =>
  Layer.effectDiscard(Effect.gen(function*() {
    let book = yield* readBook(options.file)
    const once = Effect.gen(function*() {
      book = yield* round(options, book)
    }).pipe(Effect.catchCause((cause) => Effect.logError("the alerts were not looked at; it is tried again", cause)))
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(once, Effect.sleep(Duration.millis(options.everyMs)))))
  }))
