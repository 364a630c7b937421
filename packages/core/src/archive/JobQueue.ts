/**
 * Port: delivers job ids to workers. The queue only delivers: PostgreSQL says what must be done, so a lost queue
 * loses nothing and the planner offers again. Delivery is at least once; the lease makes it one.
 */
import { Context, Effect, Layer, Queue } from "effect"
import type { CustomerId, JobId } from "../domain/Identifier.ts"

/** What travels: enough to find the job. */
export interface QueuedJob {
  readonly customer: CustomerId
  readonly job: JobId
}

/** Hands jobs to workers. */
export class JobQueue extends Context.Service<JobQueue, {
  /** Offers jobs in order; a job already waiting or running is not queued twice. */
  readonly offer: (jobs: ReadonlyArray<QueuedJob>) => Effect.Effect<void>
  /** Waits for the next job and runs `work` on it; the job may be offered again once `work` ends, however it ends. */
  readonly take: <A, E, R>(work: (job: QueuedJob) => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Jobs waiting now. */
  readonly size: Effect.Effect<number>
}>()("@rainlogs/core/JobQueue") {
  /** The in-process queue of the embedded default. */
  static readonly layerMemory = Layer.effect(
    JobQueue,
    Effect.gen(function*() {
      const queue = yield* Queue.unbounded<QueuedJob>()
      const held = new Set<JobId>()
      return JobQueue.of({
        offer: (jobs) =>
          Effect.suspend(() => {
            // Marked one by one: a job may be there twice in one offer too.
            const fresh = jobs.filter(({ job }) => !held.has(job) && held.add(job))
            return Queue.offerAll(queue, fresh)
          }),
        take: (work) =>
          // Whoever is stopped right after the job left the queue must still let go of it.
          Effect.uninterruptibleMask((restore) =>
            Effect.flatMap(restore(Queue.take(queue)), (job) =>
              Effect.ensuring(restore(work(job)), Effect.sync(() => held.delete(job.job))))
          ),
        size: Queue.size(queue)
      })
    })
  )
}
