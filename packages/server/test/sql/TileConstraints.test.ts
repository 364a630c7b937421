/**
 * Attacks the tiling of timelines with plain SQL, as the application's role: no hole, no overlap, one beginning.
 */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { withCustomer } from "../../src/database/Tenant.ts"
import * as TestDatabase from "../TestDatabase.ts"
import { attack, end, insertBoth, insertJob, insertTile, makeTimeline, refusal } from "./attack.ts"
import { jobAt, Live, live, makeOne, readTiles, start, step } from "./fixtures.ts"

describe("the schema", { timeout: 60_000 }, () => {
  layer(Live, live)((it) => {
    describe("tiles", () => {
      it.effect("overlap is impossible", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          assert.include(
            yield* attack(source, (sql) => insertBoth(sql, source, end - step, end, end - step)),
            "windows_pkey"
          )
          assert.include(
            yield* attack(source, (sql) => insertBoth(sql, source, end - 1, end + step, end - 1)),
            "windows_no_hole"
          )
          assert.include(
            yield* attack(source, (sql) => insertBoth(sql, source, end - 1, end, end - 1)),
            "windows_to_key"
          )
          assert.include(yield* attack(source, (sql) => insertBoth(sql, source, start + 1, end + 1, null)), "windows")
        }))

      it.effect("a hole is impossible, also by removing a tile", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          assert.include(
            yield* attack(source, (sql) => insertBoth(sql, source, end + 1, end + step, end + 1)),
            "windows_no_hole"
          )
          assert.include(
            yield* attack(source, (sql) => insertBoth(sql, source, end + 1, end + step, end)),
            "windows_follow"
          )
          for (const index of [0, 1, 2]) {
            const refused = yield* attack(
              source,
              (sql) => [sql`DELETE FROM windows WHERE job_id = ${jobAt(source, index)}`]
            )
            assert.match(refused, /^23503 (log_jobs_has_tile|windows_no_hole|timelines_end) /)
          }
        }))

      it.effect("a second beginning, or one elsewhere than the source's start, is impossible", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          assert.include(
            yield* attack(source, (sql) => insertBoth(sql, source, end, end + step, null)),
            "windows_one_first"
          )
          const { source: empty } = yield* makeOne
          assert.include(
            yield* attack(empty, (sql) => insertBoth(sql, empty, start + step, start + 2 * step, null)),
            "windows_first_at_start"
          )
          assert.include(
            yield* attack(empty, (sql) => insertBoth(sql, empty, start + step, start + 2 * step, start + step)),
            "windows_no_hole"
          )
        }))

      it.effect("the start of a source stays where its first window begins", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          const database = yield* TestDatabase.TestDatabase
          const error = yield* Effect.flip(
            Effect.flatMap(SqlClient.SqlClient, (sql) =>
              sql`UPDATE sources SET starts_at_ms = starts_at_ms - 1 WHERE id = ${source.id}`).pipe(database.asOwner)
          )
          assert.include(refusal(error), "windows_first_at_start")
        }))

      it.effect("the end of a timeline is not cut off by closing its last job without a successor", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          const refused = yield* attack(source, (sql) => [
            sql`UPDATE log_jobs SET state = 'split' WHERE id = ${jobAt(source, 2)}`,
            sql`DELETE FROM windows WHERE job_id = ${jobAt(source, 2)}`
          ])
          assert.include(refused, "timelines_end")
        }))

      it.effect("an empty or reversed window is impossible", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          assert.include(yield* attack(source, (sql) => insertBoth(sql, source, end, end, end)), "log_jobs_window")
          assert.include(
            yield* attack(source, (sql) => [insertTile(sql, source, randomUUID(), end, end - 1, end)]),
            "windows_positive"
          )
        }))

      it.effect("a live job without a tile, a tile without a live job, and one of another extent are impossible", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          assert.include(
            yield* attack(source, (sql) => [insertJob(sql, source, randomUUID(), end, end + step)]),
            "log_jobs_has_tile"
          )
          assert.include(
            yield* attack(source, (sql) => [insertTile(sql, source, randomUUID(), end, end + step, end)]),
            "windows_live_job"
          )
          const id = randomUUID()
          assert.include(
            yield* attack(source, (sql) => [
              insertJob(sql, source, id, end, end + step),
              insertTile(sql, source, id, end, end + step + 1, end)
            ]),
            "windows_live_job"
          )
          assert.include(
            yield* attack(source, (sql) => [sql`UPDATE log_jobs SET state = 'split' WHERE id = ${jobAt(source, 1)}`]),
            "windows_live_job"
          )
        }))

      it.effect("of several writers that extend the same timeline at once, with plain SQL, one wins", () =>
        Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          const source = yield* makeTimeline
          const outcomes = yield* Effect.forEach(
            Array.from({ length: 6 }, (_, i) => i),
            (i) =>
              Effect.forEach(insertBoth(sql, source, end, end + step + i, end), (statement) => statement).pipe(
                withCustomer(source.customer),
                Effect.result
              ),
            { concurrency: "unbounded" }
          )
          assert.strictEqual(outcomes.filter(({ _tag }) => _tag === "Success").length, 1)
          assert.strictEqual((yield* readTiles(source)).length, 4)
        }))
    })

    describe("counters", () => {
      it.effect("are written by nobody but the triggers", () =>
        Effect.gen(function*() {
          const source = yield* makeTimeline
          for (
            const statement of [
              "UPDATE timelines SET planned = 0",
              "DELETE FROM timelines",
              "INSERT INTO timelines DEFAULT VALUES"
            ]
          ) {
            assert.match(yield* attack(source, (sql) => [sql.unsafe(statement)]), /^42501/)
          }
          const database = yield* TestDatabase.TestDatabase
          const error = yield* Effect.flip(
            Effect.flatMap(SqlClient.SqlClient, (sql) =>
              sql`UPDATE timelines SET last_to_ms = last_to_ms - 1 WHERE source_id = ${source.id}`).pipe(
                database.asOwner
              )
          )
          assert.include(refusal(error), "never moves back")
        }))
    })
  })
})
