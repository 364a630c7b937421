/**
 * Adapter: the job queue on Redis or Valkey, with BullMQ, for any number of workers. It only delivers: a Redis that is
 * flushed, restarted, full or away loses nothing, for the planner offers again what PostgreSQL says is due.
 */
import { JobQueue, type QueuedJob } from "@rainlogs/core/archive/JobQueue"
import { CustomerId, JobId } from "@rainlogs/core/domain/Identifier"
import { type Job, Queue, Worker } from "bullmq"
import { Effect, Layer, Metric, type Redacted, Redacted as Secret, Schema } from "effect"
import { Redis } from "ioredis"
import { randomUUID } from "node:crypto"

/** Which Redis, and how it is used; times in ms. */
export interface BullOptions {
  /** `redis://` or `rediss://`, with user and password if needed. */
  readonly url: Redacted.Redacted<string>
  /** The queue's name; appliances that share work share it. */
  readonly name?: string
  /** A job whose worker says nothing for so long is given to another. */
  readonly lockMs?: number
  /** How often an empty queue is asked again. */
  readonly pollMs?: number
  /** The longest time for one command. */
  readonly commandMs?: number
}

const Data = Schema.Struct({ customer: CustomerId, job: JobId })
const decodeData = Schema.decodeUnknownOption(Data)

const deliveries = Metric.counter("rainlogs_queue_deliveries_total", {
  description: "Jobs that a queue on Redis handed to this process",
  incremental: true
})
const failures = Metric.counter("rainlogs_queue_failures_total", {
  description: "Commands that Redis did not carry out",
  incremental: true
})

/** What is said of a failure: its class or code, never its text, which may hold the URL. */
const reasonOf = (cause: unknown): string =>
  cause instanceof Error ? ("code" in cause && typeof cause.code === "string" ? cause.code : cause.name) : "unknown"

/** The queue; its connections are closed with the scope. */
export const make = Effect.fnUntraced(function*(options: BullOptions) {
  const name = options.name ?? "rainlogs-windows"
  const lockMs = options.lockMs ?? 60_000
  const pollMs = options.pollMs ?? 250
  const commandMs = options.commandMs ?? 5000
  const connect = Effect.acquireRelease(
    Effect.sync(() => {
      const redis = new Redis(Secret.value(options.url), {
        // A Redis that is away must be noticed by the caller, not waited for without end.
        maxRetriesPerRequest: null,
        enableOfflineQueue: false,
        commandTimeout: commandMs,
        connectTimeout: commandMs,
        retryStrategy: (times) => Math.min(times * 200, 5000)
      })
      // Each command reports its own failure.
      redis.on("error", () => {})
      return redis
    }),
    (redis) => Effect.sync(() => redis.disconnect())
  )
  const commands = yield* connect
  const queue = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const made = new Queue(name, { connection: commands, skipVersionCheck: true })
      made.on("error", () => {})
      return made
    }),
    (made) => Effect.ignore(Effect.tryPromise(() => made.close()))
  )
  const worker = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const made = new Worker(name, null, {
        connection: commands,
        autorun: false,
        lockDuration: lockMs,
        // A window that is taken over often is no failure here: PostgreSQL counts its attempts.
        maxStalledCount: Number.MAX_SAFE_INTEGER,
        stalledInterval: lockMs / 2,
        skipVersionCheck: true
      })
      made.on("error", () => {})
      return made
    }),
    (made) => Effect.ignore(Effect.tryPromise(() => made.close(true)))
  )
  let away = false
  /** Runs a command, for at most twice the time of one; BullMQ itself waits for a connection without end. */
  const bounded = <A>(run: () => Promise<A>): Effect.Effect<A, string> =>
    Effect.tryPromise({ try: run, catch: reasonOf }).pipe(
      Effect.timeoutOrElse({ duration: commandMs * 2, orElse: () => Effect.fail("no answer") }),
      Effect.tapError(() => Metric.update(failures, 1))
    )
  /** A failure is said once until the next success, and the answer is then `otherwise`. */
  const command = <A>(what: string, run: () => Promise<A>, otherwise: A): Effect.Effect<A> =>
    bounded(run).pipe(
      Effect.tap(() => {
        if (!away) return Effect.void
        away = false
        return Effect.logInfo("the queue on Redis works again")
      }),
      Effect.catch((reason) => {
        if (away) return Effect.succeed(otherwise)
        away = true
        return Effect.as(
          Effect.logWarning(
            `the queue on Redis does not work (${what}: ${reason}); windows wait and are offered again`
          ),
          otherwise
        )
      })
    )
  /** About a job that is held: Redis may have forgotten it, and then there is nothing to do. */
  const onHeld = (run: () => Promise<unknown>): Effect.Effect<void> =>
    Effect.catch(Effect.asVoid(bounded(run)), (reason) => Effect.logDebug(`a job was not in Redis any more: ${reason}`))

  yield* Effect.forkScoped(Effect.gen(function*() {
    // Looks for jobs of workers that are gone.
    while (!(yield* command("connect", async () => (await worker.startStalledCheckTimer(), true), false))) {
      yield* Effect.sleep(pollMs)
    }
    const policy = yield* Effect.orElseSucceed(bounded(() => commands.config("GET", "maxmemory-policy")), () => [])
    const [, value] = Array.isArray(policy) ? policy : []
    if (typeof value === "string" && value !== "noeviction") {
      yield* Effect.logWarning(
        `Redis evicts keys (maxmemory-policy ${value}): windows may be offered late. Set maxmemory-policy noeviction.`
      )
    }
  }))

  const next = (token: string): Effect.Effect<{ readonly held: Job; readonly job: QueuedJob }> =>
    Effect.gen(function*() {
      for (;;) {
        const held = yield* command("take", () => worker.getNextJob(token, { block: false }), undefined)
        if (held !== undefined) {
          const data = decodeData(held.data)
          if (data._tag === "Some") return { held, job: data.value }
          // Nothing of ours: it must not come again and again.
          yield* onHeld(() => held.moveToCompleted(null, token, false))
          continue
        }
        yield* Effect.sleep(pollMs)
      }
    })

  const keepLock = (held: Job, token: string) =>
    Effect.forever(
      Effect.andThen(Effect.sleep(lockMs / 3), onHeld(() => held.extendLock(token, lockMs)))
    )

  return JobQueue.of({
    offer: (jobs) =>
      jobs.length === 0 ? Effect.void : Effect.asVoid(command(
        "offer",
        () =>
          queue.addBulk(jobs.map(({ customer, job }) => ({
            name: "window",
            data: { customer, job },
            // Removed at its end, so that a window that comes back is not taken for one that is done.
            opts: { jobId: job, removeOnComplete: true, removeOnFail: true, attempts: 1 }
          }))),
        []
      )),
    take: (work) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function*() {
          const token = randomUUID()
          const { held, job } = yield* restore(next(token))
          yield* Metric.update(deliveries, 1)
          return yield* Effect.ensuring(
            restore(Effect.raceFirst(work(job), keepLock(held, token))),
            // However it ended: what is still to do, PostgreSQL says. A lost lock is a job that another has by now.
            onHeld(() => held.moveToCompleted(null, token, false))
          )
        })
      ),
    size: command("size", () => queue.getWaitingCount(), 0)
  })
})

/** The queue as a layer. */
export const layer = (options: BullOptions): Layer.Layer<JobQueue> => Layer.effect(JobQueue, make(options))
