/**
 * Legal holds over the API, on PostgreSQL and a file-system store.
 */
import { assert, describe, layer } from "@effect/vitest"
import { mostActiveHolds } from "@rainlogs/core/lifecycle/LegalHolds"
import { StorageError } from "@rainlogs/core/storage/ObjectStore"
import { type NoteSigner, printNote, signNote } from "@rainlogs/verify/Note"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { newCustomer } from "../api/TestServer.ts"
import { TestDatabase } from "../TestDatabase.ts"
import { approver, call, customerWith, day, Live, verdict, World } from "./LifecycleWorld.ts"

const [dpo, ceo] = [approver("dpo", 1), approver("ceo", 2)]
const live = { excludeTestServices: true, timeout: "120 seconds" } as const

const sign = (document: string, ...signers: ReadonlyArray<NoteSigner>) =>
  Buffer.from(printNote(signNote(document, signers))).toString()

const everything = { zone: null, from: null, to: null }
const place = (key: string, more: object = {}) =>
  call(key, "POST", "/api/v1/holds", { scopes: [everything], basis: "case 7", ...more })

const draftErasure = (key: string, more: object = {}) =>
  call(key, "POST", "/api/v1/erasures/drafts", {
    ...everything,
    reason: "court-order",
    method: "delete",
    basis: "order 4",
    ...more
  })

describe("a legal hold", { timeout: 120_000 }, () => {
  layer(Live, live)((it) => {
    it.effect("keeps its windows from being drafted, announced and, placed later, from being executed", () =>
      Effect.gen(function*() {
        const { directory } = yield* World
        const { apiKey, archived, zone, ...customer } = yield* customerWith(3, [dpo, ceo])
        const [first, second] = archived
        if (first === undefined || second === undefined) return yield* Effect.die("no windows")
        const before = (yield* draftErasure(apiKey)).body.draft
        const iso = (ms: number) => new Date(ms).toISOString()
        const placed = yield* place(apiKey, { scopes: [{ zone, from: iso(first.from), to: iso(first.to) }] })
        assert.strictEqual(placed.status, 201, JSON.stringify(placed.body))
        const announce = (document: string) =>
          call(apiKey, "POST", "/api/v1/erasures", { document: sign(document, dpo, ceo) })
        const refused = yield* announce(before.document)
        assert.strictEqual(refused.status, 409)
        assert.include(refused.body.detail, `under the legal hold ${placed.body.id}`)
        const others = (yield* draftErasure(apiKey)).body.draft
        assert.strictEqual(others.targets, 2)
        assert.strictEqual((yield* announce(others.document)).status, 201)

        const later = yield* place(apiKey, { scopes: [{ zone, from: iso(second.to - 1), to: iso(second.to) }] })
        const blocked = yield* call(apiKey, "POST", `/api/v1/erasures/${others.id}/execute`)
        assert.strictEqual(blocked.status, 409)
        assert.include(blocked.body.detail, later.body.id)
        for (const { key } of archived) assert.isTrue(existsSync(join(directory, "archive", key)))

        const path = `/api/v1/holds/${later.body.id}`
        const release =
          (yield* call(apiKey, "POST", `${path}/release-drafts`, { basis: "case 7 closed" })).body.document
        for (const document of [release, sign(release, dpo), sign(release, dpo, approver("ceo", 9))]) {
          const lacking = yield* call(apiKey, "POST", `${path}/release`, { document })
          assert.strictEqual(lacking.status, 409)
          assert.include(lacking.body.detail, "needs 2 of the policy's approvers")
        }
        const signed = sign(release, dpo, ceo)
        const elsewhere = yield* call(apiKey, "POST", `/api/v1/holds/${placed.body.id}/release`, { document: signed })
        assert.strictEqual(elsewhere.status, 409)
        for (let turn = 0; turn < 2; turn++) {
          const released = yield* call(apiKey, "POST", `${path}/release`, { document: signed })
          assert.deepInclude(released.body, { state: "released", id: later.body.id })
        }
        // It ended once: by no other release, and nothing is left to release.
        const another = sign(release.replace("case 7 closed", "case 7 closed again"), dpo, ceo)
        for (
          const answer of [
            yield* call(apiKey, "POST", `${path}/release`, { document: another }),
            yield* call(apiKey, "POST", `${path}/release-drafts`, { basis: "case 7 closed" })
          ]
        ) {
          assert.strictEqual(answer.status, 409)
          assert.include(answer.body.detail, "has been released")
        }
        const done = yield* call(apiKey, "POST", `/api/v1/erasures/${others.id}/execute`)
        assert.strictEqual(done.body.state, "done", JSON.stringify(done.body))
        assert.isTrue(existsSync(join(directory, "archive", first.key)))
        assert.isFalse(existsSync(join(directory, "archive", second.key)))
        const report = yield* verdict(customer)
        assert.strictEqual(report.verdict.erasures, "PASS", JSON.stringify(report.findings))
        const { holds } = (yield* call(apiKey, "GET", "/api/v1/holds")).body
        assert.deepStrictEqual(
          holds.map((hold: { readonly id: string; readonly state: string }) => [hold.id, hold.state]),
          [[later.body.id, "released"], [placed.body.id, "active"]]
        )
      }))

    it.effect("keeps windows past retention, which the retention run counts and leaves", () =>
      Effect.gen(function*() {
        const { clock, directory } = yield* World
        const { apiKey, archived, ...customer } = yield* customerWith(3, [])
        const [first] = archived
        assert.isDefined(first)
        const due = Effect.map(call(apiKey, "GET", "/api/v1/erasures/retention/due"), ({ body }) => body)
        const run = Effect.map(call(apiKey, "POST", "/api/v1/erasures/retention/run"), ({ body }) => body.erasure)
        assert.deepInclude(yield* due, { days: 395, windows: 0, held: 0 })
        assert.isNull(yield* run)
        clock.jump(396 * day)
        assert.strictEqual(
          (yield* place(apiKey, { scopes: [{ ...everything, to: new Date(first.to).toISOString() }] })).status,
          201
        )
        assert.deepInclude(yield* due, { windows: 2, held: 1 })
        assert.deepInclude(yield* run, { state: "done", targets: 2, reason: "retention", method: "delete" })
        assert.isNull(yield* run)
        assert.deepStrictEqual(
          archived.map(({ key }) => existsSync(join(directory, "archive", key))),
          [true, false, false]
        )
        assert.strictEqual((yield* verdict(customer)).verdict.erasures, "PASS")
      }))

    it.effect("cannot be placed over what is half erased, and can once that is done", () =>
      Effect.gen(function*() {
        const { store } = yield* World
        const { apiKey, archived, zone } = yield* customerWith(2, [dpo, ceo])
        const other = yield* call(apiKey, "GET", "/api/v1/zones")
        assert.strictEqual(other.status, 200)
        const { document, id } = (yield* draftErasure(apiKey)).body.draft
        yield* call(apiKey, "POST", "/api/v1/erasures", { document: sign(document, dpo, ceo) })
        store.remove = (key, real) =>
          key === archived[0]?.key
            ? Effect.fail(new StorageError({ operation: "remove", key, category: "transient", detail: "busy" }))
            : real.remove(key)
        assert.strictEqual((yield* call(apiKey, "POST", `/api/v1/erasures/${id}/execute`)).status, 503)
        for (const scope of [everything, { ...everything, zone }]) {
          const refused = yield* place(apiKey, { scopes: [scope] })
          assert.strictEqual(refused.status, 409)
          const [from, to] = [archived[0]?.from ?? 0, archived[1]?.to ?? 0].map((ms) => new Date(ms).toISOString())
          assert.include(
            refused.body.detail,
            `he erasure ${id} is being executed on 2 windows of this hold, from ${from} to ${to}`
          )
          assert.include(refused.body.remedy, `rainlogs erase execute ${id}`)
        }
        const after = new Date(archived[1]?.to ?? 0).toISOString()
        assert.strictEqual((yield* place(apiKey, { scopes: [{ ...everything, from: after }] })).status, 201)
        const elsewhere = yield* place(apiKey, { scopes: [{ ...everything, to: "2020-01-01T00:00:00.000Z" }] })
        assert.strictEqual(elsewhere.status, 201)
        delete store.remove
        assert.strictEqual((yield* call(apiKey, "POST", `/api/v1/erasures/${id}/execute`)).body.state, "done")
        assert.strictEqual((yield* place(apiKey)).status, 201)
      }))

    it.effect("placed 20 times at once under one id is one hold; another under that id is refused", () =>
      Effect.gen(function*() {
        const { apiKey, ...customer } = yield* customerWith(1, [])
        const id = "01980000-0000-7000-8000-0000000000aa"
        const answers = yield* Effect.forEach(Array.from({ length: 20 }), () => place(apiKey, { id }), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(new Set(answers.map(({ status }) => status)), new Set([201]))
        assert.strictEqual(new Set(answers.map(({ body }) => body.document)).size, 1)
        const changed = yield* place(apiKey, { id, basis: "another case" })
        assert.strictEqual(changed.status, 409)
        const report = yield* verdict(customer)
        assert.isEmpty(report.findings.filter(({ code }) => code === "HOLD_REPEATED"))
      }))

    it.effect("is one of at most 1000 that are active", () =>
      Effect.gen(function*() {
        const { apiKey } = yield* customerWith(0, [])
        const { body: first } = yield* place(apiKey)
        // 998 more of it, as rows only.
        const database = yield* TestDatabase
        yield* Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          yield* sql.withTransaction(
            Effect.andThen(
              sql`SET LOCAL session_replication_role = replica`,
              sql`INSERT INTO holds (customer_id, id, basis, issued_ms, job_id, document)
              SELECT customer_id, gen_random_uuid(), basis, issued_ms, job_id, document
              FROM holds, generate_series(1, ${mostActiveHolds - 2}::integer) WHERE id = ${first.id}`
            ).pipe(
              Effect.andThen(sql`INSERT INTO hold_scopes (customer_id, hold_id, chain, from_ms, to_ms)
              SELECT s.customer_id, h.id, s.chain, s.from_ms, s.to_ms
              FROM hold_scopes s JOIN holds h USING (customer_id) WHERE s.hold_id = ${first.id} AND h.id <> s.hold_id`)
            )
          )
        }).pipe(database.asOwner)
        assert.strictEqual((yield* place(apiKey)).status, 201)
        const refused = yield* place(apiKey)
        assert.strictEqual(refused.status, 409)
        assert.include(refused.body.detail, "1000 holds are active, which is the limit")
      }))

    it.effect("of another customer answers like one that does not exist", () =>
      Effect.gen(function*() {
        const alice = yield* customerWith(1, [dpo, ceo])
        const { body: hold } = yield* place(alice.apiKey)
        const path = `/api/v1/holds/${hold.id}`
        const { document } = (yield* call(alice.apiKey, "POST", `${path}/release-drafts`, { basis: "over" })).body
        const mallory = yield* newCustomer("Mallory")
        assert.strictEqual((yield* call(mallory.key, "POST", `${path}/release-drafts`, { basis: "over" })).status, 404)
        const forged = yield* call(mallory.key, "POST", `${path}/release`, { document: sign(document, dpo, ceo) })
        assert.strictEqual(forged.status, 409)
        assert.include(forged.body.detail, "not of this ledger")
        assert.deepStrictEqual((yield* call(mallory.key, "GET", "/api/v1/holds")).body.holds, [])
        const foreign = yield* place(mallory.key, { scopes: [{ ...everything, zone: alice.zone }] })
        assert.strictEqual(foreign.status, 404)
        assert.strictEqual((yield* call(alice.apiKey, "GET", "/api/v1/holds")).body.holds[0].state, "active")
      }))
  })
})
