/**
 * Erasures over the API, on PostgreSQL and a file-system store: what is refused, what is done, and what the verifier
 * says of it.
 */
import { assert, describe, layer } from "@effect/vitest"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId } from "@rainlogs/core/domain/Identifier"
import { LedgerStore } from "@rainlogs/core/ledger/LedgerStore"
import { dekIdOf } from "@rainlogs/core/secrets/KeyRecord"
import { ObjectStore, StorageError } from "@rainlogs/core/storage/ObjectStore"
import { parseCheckpoint } from "@rainlogs/verify/Checkpoint"
import { parseEntry } from "@rainlogs/verify/Entry"
import { checkpointKey } from "@rainlogs/verify/Layout"
import { type NoteSigner, parseNote, printNote, signNote } from "@rainlogs/verify/Note"
import { parseTombstone, printTombstone } from "@rainlogs/verify/Tombstone"
import { Effect, Stream } from "effect"
import { createHash } from "node:crypto"
import { existsSync, readFileSync, renameSync } from "node:fs"
import { join } from "node:path"
import { newCustomer } from "../api/TestServer.ts"
import { approver, call, customerWith, day, Live, verdict, World } from "./LifecycleWorld.ts"

const [dpo, ceo] = [approver("dpo", 1), approver("ceo", 2)]
const live = { excludeTestServices: true, timeout: "120 seconds" } as const

type Customer = Effect.Success<ReturnType<typeof customerWith>>

const sign = (document: string, ...signers: ReadonlyArray<NoteSigner>) =>
  Buffer.from(printNote(signNote(document, signers))).toString()

const draft = (customer: { readonly apiKey: string }, more: object = {}) =>
  call(customer.apiKey, "POST", "/api/v1/erasures/drafts", {
    zone: null,
    from: null,
    to: null,
    reason: "gdpr-art17",
    method: "delete",
    basis: "case 12",
    ...more
  })

const request = (customer: { readonly apiKey: string }, document: string) =>
  call(customer.apiKey, "POST", "/api/v1/erasures", { document })

const execute = (customer: { readonly apiKey: string }, id: string) =>
  call(customer.apiKey, "POST", `/api/v1/erasures/${id}/execute`)

/** Drafts, has it signed and announces it. */
const announced = Effect.fnUntraced(function*(customer: { readonly apiKey: string }, more: object = {}) {
  const { body } = yield* draft(customer, more)
  const answer = yield* request(customer, sign(body.draft.document, dpo, ceo))
  assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
  return answer.body as { readonly id: string; readonly intent: string }
})

const pathOf = (key: string) => Effect.map(World, ({ directory }) => join(directory, "archive", key))
const isStored = (key: string) => Effect.map(pathOf(key), existsSync)

const kinds = Effect.fnUntraced(function*({ id, origin }: Pick<Customer, "id" | "origin">) {
  const rows = (yield* LedgerStore).rows({ customer: CustomerId.make(id), origin: Origin.make(origin) }, 0, 10_000)
  return (yield* Stream.runCollect(rows)).map(({ entry }) => parseEntry(entry).kind)
})
const tombstones = (customer: Customer) =>
  Effect.map(kinds(customer), (all) => all.filter((kind) => kind === "tombstone").length)

const findings = (report: { readonly findings: ReadonlyArray<{ readonly code: string; readonly question: string }> }) =>
  report.findings.filter(({ question }) => question === "erasures").map(({ code }) => code)

describe("an erasure", { timeout: 120_000 }, () => {
  layer(Live, live)((it) => {
    it.effect("signed by the quorum deletes objects and keys, is shown as erased, and the verifier says PASS", () =>
      Effect.gen(function*() {
        const customer = yield* customerWith(3, [dpo, ceo])
        const [first, second, third] = customer.archived
        if (first === undefined || second === undefined || third === undefined) return yield* Effect.die("no windows")
        const erasure = yield* announced(customer, { to: new Date(second.to).toISOString() })
        assert.isTrue(yield* isStored(first.key))
        const done = yield* execute(customer, erasure.id)
        assert.deepInclude(done.body, { state: "done", targets: 2, lastError: null })
        for (const { dek, key } of [first, second]) {
          assert.isFalse(yield* isStored(key))
          assert.isFalse(yield* isStored(`keys/${dek}`))
        }
        assert.isTrue(yield* isStored(third.key))

        const gone = yield* call(customer.apiKey, "GET", `/api/v1/logs/jobs/${first.job}/download`)
        assert.strictEqual(gone.status, 410)
        assert.deepInclude(gone.body, {
          type: "urn:rainlogs:problem:window-erased",
          erasure: erasure.id,
          tombstone: done.body.report
        })
        const listed = yield* call(customer.apiKey, "GET", `/api/v1/zones/${customer.zone}/logs`)
        assert.deepStrictEqual(
          listed.body.jobs.map(({ state }: { readonly state: string }) => state),
          ["committed", "erased", "erased"]
        )
        const report = yield* verdict(customer)
        assert.strictEqual(report.verdict.integrity, "PASS", JSON.stringify(report.findings))
        assert.strictEqual(report.verdict.erasures, "PASS", JSON.stringify(report.findings))
        assert.deepStrictEqual(findings(report), ["DELETED_AUTHORISED", "DELETED_AUTHORISED"])

        const again = yield* execute(customer, erasure.id)
        assert.deepStrictEqual(again, done)
        assert.strictEqual(yield* tombstones(customer), 2)
        assert.strictEqual((yield* draft(customer, { to: new Date(second.to).toISOString() })).body.draft, null)
      }))

    it.effect("by crypto-erase leaves the object, which nobody can read any more", () =>
      Effect.gen(function*() {
        const customer = yield* customerWith(2, [dpo, ceo])
        const [first, second] = customer.archived
        if (first === undefined || second === undefined) return yield* Effect.die("no windows")
        const before = yield* call(customer.apiKey, "GET", `/api/v1/logs/jobs/${first.job}/download`)
        assert.strictEqual(before.status, 200)
        const erasure = yield* announced(customer, { method: "crypto-erase", to: new Date(first.to).toISOString() })
        assert.strictEqual((yield* execute(customer, erasure.id)).body.state, "done")
        assert.isTrue(yield* isStored(first.key))
        assert.isFalse(yield* isStored(`keys/${first.dek}`))
        const report = yield* verdict(customer)
        assert.strictEqual(report.verdict.erasures, "PASS", JSON.stringify(report.findings))
        assert.strictEqual((yield* call(customer.apiKey, "GET", `/api/v1/logs/jobs/${first.job}/download`)).status, 410)
        assert.strictEqual(
          (yield* call(customer.apiKey, "GET", `/api/v1/logs/jobs/${second.job}/download`)).status,
          200
        )
      }))

    it.effect("without its approvers, with too few, with a forged one or under another policy is not announced", () =>
      Effect.gen(function*() {
        const nobody = yield* customerWith(1, [])
        const unapprovable = yield* draft(nobody)
        assert.strictEqual(unapprovable.status, 409)
        assert.include(unapprovable.body.detail, "names no approver, so only retention deletions are possible")

        const customer = yield* customerWith(1, [dpo, ceo])
        const { body } = yield* draft(customer)
        const { document } = body.draft
        for (
          const [submitted, expected] of [
            [document, "needs 2 of the policy's approvers, 0 signed"],
            [sign(document, dpo), "1 signed"],
            [sign(document, dpo, approver("ceo", 9)), "1 signed"],
            [sign(document, dpo, ceo).replace("reason gdpr-art17", "reason court-order"), "is bad"],
            [sign(document.replace(/policy .*/, `policy ${"ab".repeat(32)}`), dpo, ceo), "rests on policy"],
            ["rainlogs-tombstone/v1\n", "rainlogs-tombstone/v1"]
          ] as const
        ) {
          const answer = yield* request(customer, submitted)
          assert.strictEqual(answer.status, 409, submitted)
          assert.include(answer.body.detail, expected)
        }
        assert.strictEqual(yield* tombstones(customer), 0)
      }))

    it.effect("for retention is refused before its time, whoever writes the document, and allowed after it", () =>
      Effect.gen(function*() {
        const { clock } = yield* World
        const customer = yield* customerWith(2, [])
        const [first] = customer.archived
        assert.isDefined(first)
        assert.strictEqual((yield* draft(customer, { reason: "retention" })).body.draft, null)
        // 395 days after its end, but not after it was archived ten days later.
        clock.jump(386 * day)
        assert.strictEqual((yield* draft(customer, { reason: "retention" })).body.draft, null)
        clock.jump(9 * day + 3_600_000)
        const { body } = yield* draft(customer, { reason: "retention", basis: "retention" })
        assert.strictEqual(body.draft.targets, 2)
        const early = parseTombstone(body.draft.document)
        const tooEarly = yield* request(customer, printTombstone({ ...early, notBefore: early.notBefore - 1 }))
        assert.strictEqual(tooEarly.status, 409)
        assert.include(tooEarly.body.detail, "is kept for 395 days")
        const late = yield* request(
          customer,
          printTombstone({ ...early, notBefore: clock.currentTimeMillisUnsafe() + day })
        )
        assert.strictEqual(late.status, 201, JSON.stringify(late.body))
        const waiting = yield* execute(customer, late.body.id)
        assert.strictEqual(waiting.status, 409)
        assert.include(waiting.body.detail, "not before")
        assert.isTrue(yield* isStored(first.key))
        clock.jump(day)
        assert.strictEqual((yield* execute(customer, late.body.id)).body.state, "done")
        const report = yield* verdict(customer)
        assert.strictEqual(report.verdict.erasures, "PASS", JSON.stringify(report.findings))
      }))

    it.effect("for retention waits for the longer of the policy it was announced under and the one in force", () =>
      Effect.gen(function*() {
        const { clock } = yield* World
        const customer = yield* customerWith(1, [])
        clock.jump(396 * day)
        const { body } = yield* draft(customer, { reason: "retention" })
        assert.strictEqual((yield* request(customer, body.draft.document)).status, 201)
        const longer = yield* call(customer.apiKey, "POST", "/api/v1/policy/drafts", { retentionDays: 500 })
        assert.strictEqual((yield* call(customer.apiKey, "POST", "/api/v1/policy", longer.body)).status, 200)
        const refused = yield* execute(customer, body.draft.id)
        assert.strictEqual(refused.status, 409)
        assert.include(refused.body.detail, "is kept for 500 days")
        clock.jump(105 * day)
        assert.strictEqual((yield* execute(customer, body.draft.id)).body.state, "done")
        assert.strictEqual((yield* verdict(customer)).verdict.erasures, "PASS")
      }))

    it.effect("executed 20 times at once, and announced 20 times at once, is one erasure with one report", () =>
      Effect.gen(function*() {
        const customer = yield* customerWith(3, [dpo, ceo])
        const { body } = yield* draft(customer)
        const document = sign(body.draft.document, dpo, ceo)
        const twenty = Array.from({ length: 20 })
        const requests = yield* Effect.forEach(twenty, () => request(customer, document), { concurrency: "unbounded" })
        assert.deepStrictEqual(requests.map(({ status }) => status), twenty.map(() => 201))
        const executions = yield* Effect.forEach(twenty, () => execute(customer, body.draft.id), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(executions.map((answer) => answer.body.state), twenty.map(() => "done"))
        assert.strictEqual(new Set(executions.map((answer) => answer.body.report)).size, 1)
        assert.strictEqual(yield* tombstones(customer), 2)
        assert.strictEqual((yield* verdict(customer)).verdict.erasures, "PASS")
      }))

    it.effect("of two that name the same window, one is announced", () =>
      Effect.gen(function*() {
        const customer = yield* customerWith(2, [dpo, ceo])
        const documents = [(yield* draft(customer)).body.draft.document, (yield* draft(customer)).body.draft.document]
        const answers = yield* Effect.forEach(documents, (text) => request(customer, sign(text, dpo, ceo)), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(answers.map(({ status }) => status).sort(), [201, 409])
        assert.include(JSON.stringify(answers), "is named by the erasure")
        assert.strictEqual(yield* tombstones(customer), 1)
      }))

    it.effect("of another customer answers like one that does not exist, and foreign windows are not erased", () =>
      Effect.gen(function*() {
        const alice = yield* customerWith(1, [dpo, ceo])
        const erasure = yield* announced(alice)
        const mallory = yield* newCustomer("Mallory")
        const nowhere = "00000000-0000-4000-8000-000000000000"
        for (const [method, path] of [["GET", ""], ["POST", "/execute"]] as const) {
          const theirs = yield* call(mallory.key, method, `/api/v1/erasures/${erasure.id}${path}`)
          const none = yield* call(mallory.key, method, `/api/v1/erasures/${nowhere}${path}`)
          assert.strictEqual(theirs.status, 404)
          assert.deepStrictEqual(theirs, none)
        }
        assert.strictEqual((yield* draft({ apiKey: mallory.key }, { zone: alice.zone })).status, 404)
        assert.deepStrictEqual((yield* call(mallory.key, "GET", "/api/v1/erasures")).body.erasures, [])
        const bob = yield* customerWith(1, [dpo, ceo])
        const own = parseTombstone((yield* draft(bob)).body.draft.document)
        const { body } = yield* draft(yield* customerWith(1, [dpo, ceo]))
        const stolen = parseTombstone(body.draft.document).targets
        const answer = yield* request(bob, sign(printTombstone({ ...own, targets: stolen }), dpo, ceo))
        assert.strictEqual(answer.status, 409)
        assert.include(answer.body.detail, "here is no window with an object at")
        assert.isTrue(yield* isStored(alice.archived[0]?.key ?? ""))
      }))

    it.effect("also takes the copy that an interrupted attempt of the same job left, with its key", () =>
      Effect.gen(function*() {
        const customer = yield* customerWith(1, [dpo, ceo])
        const [window] = customer.archived
        assert.isDefined(window)
        const store = yield* ObjectStore
        const bytes = Buffer.from("another copy of the same lines")
        const sha256 = createHash("sha256").update(bytes).digest("hex")
        const copy = window.key.replace(/-[0-9a-f]{16}\./, `-${sha256.slice(0, 16)}.`)
        const copyKey = `keys/${dekIdOf(window.job, sha256)}`
        yield* store.putBytes(copy, bytes)
        yield* store.putBytes(copyKey, bytes)
        const erasure = yield* announced(customer)
        assert.strictEqual((yield* execute(customer, erasure.id)).body.state, "done")
        for (const key of [window.key, `keys/${window.dek}`, copy, copyKey]) assert.isFalse(yield* isStored(key), key)
      }))

    it.effect("is refused for another ledger, for the future, for too many windows and for windows that are others", () =>
      Effect.gen(function*() {
        const { clock } = yield* World
        const customer = yield* customerWith(1, [dpo, ceo])
        const tombstone = parseTombstone((yield* draft(customer)).body.draft.document)
        const [target] = tombstone.targets
        assert.isDefined(target)
        const other = "ab".repeat(32)
        const many = Array.from({ length: 257 }, (_, index) => ({ ...target, seq: target.seq + index }))
        for (
          const [changed, expected] of [
            [{ origin: "rainlogs.localhost/t/01980000-0000-7000-8000-0000000000aa" }, "not of this ledger"],
            [{ requested: clock.currentTimeMillisUnsafe() + 301_000 }, "requested in the future"],
            [{ targets: many }, "names 257 windows, the limit is 256"],
            [{ targets: [{ ...target, object: other }] }, "it holds another object"],
            [{ targets: [{ ...target, hash: other }] }, "it holds another object"]
          ] as const
        ) {
          const answer = yield* request(customer, sign(printTombstone({ ...tombstone, ...changed }), dpo, ceo))
          assert.strictEqual(answer.status, 409, expected)
          assert.include(answer.body.detail, expected)
        }
        assert.strictEqual(yield* tombstones(customer), 0)
        const soon = { ...tombstone, requested: clock.currentTimeMillisUnsafe() + 299_000 }
        assert.strictEqual((yield* request(customer, sign(printTombstone(soon), dpo, ceo))).status, 201)
        const again = yield* request(customer, sign(printTombstone({ ...soon, basis: "case 13" }), dpo, ceo))
        assert.strictEqual(again.status, 409)
        assert.include(again.body.detail, `nother erasure has the id ${tombstone.id}`)
      }))

    it.effect("takes the key before the object, and is announced under a signed head before either", () =>
      Effect.gen(function*() {
        const { directory, store } = yield* World
        const customer = yield* customerWith(1, [dpo, ceo])
        const [window] = customer.archived
        assert.isDefined(window)
        const erasure = yield* announced(customer)
        const size = (yield* kinds(customer)).length
        const removed: Array<string> = []
        store.remove = (key, real) =>
          Effect.suspend(() => {
            const served = readFileSync(join(directory, "archive", checkpointKey(customer.origin)))
            assert.strictEqual(parseCheckpoint(parseNote(served).text).size, size)
            removed.push(key)
            return real.remove(key)
          })
        assert.strictEqual((yield* execute(customer, erasure.id)).body.state, "done")
        delete store.remove
        assert.deepStrictEqual(removed, [`keys/${window.dek}`, window.key])
      }))

    it.effect("of which the announcement cannot be published erases nothing, and says why", () =>
      Effect.gen(function*() {
        const { store } = yield* World
        const customer = yield* customerWith(1, [dpo, ceo])
        const erasure = yield* announced(customer)
        const [window] = customer.archived
        assert.isDefined(window)
        store.beforePut = (key) =>
          key.includes("/tile/")
            ? Effect.fail(new StorageError({ operation: "putBytes", key, category: "transient", detail: "disk full" }))
            : Effect.void
        assert.strictEqual((yield* execute(customer, erasure.id)).status, 503)
        assert.isTrue(yield* isStored(window.key))
        assert.isTrue(yield* isStored(`keys/${window.dek}`))
        const shown = yield* call(customer.apiKey, "GET", `/api/v1/erasures/${erasure.id}`)
        assert.strictEqual(shown.body.state, "executing")
        assert.include(shown.body.lastError, "disk full")
        delete store.beforePut
        assert.strictEqual((yield* execute(customer, erasure.id)).body.state, "done")
      }))

    it.effect("is reported no earlier than it was announced, though the clock goes back while the store works", () =>
      Effect.gen(function*() {
        const { clock, store } = yield* World
        const customer = yield* customerWith(1, [dpo, ceo])
        const erasure = yield* announced(customer)
        let back = true
        store.remove = (key, real) =>
          Effect.suspend(() => {
            if (back) clock.jump(-day)
            back = false
            return real.remove(key)
          })
        const done = yield* execute(customer, erasure.id)
        delete store.remove
        clock.jump(day)
        assert.strictEqual(done.body.state, "done")
        const report = yield* verdict(customer)
        assert.strictEqual(report.verdict.erasures, "PASS", JSON.stringify(report.findings))
      }))

    it.effect("of a window with more copies than interrupted attempts leave is not begun with", () =>
      Effect.gen(function*() {
        const customer = yield* customerWith(1, [dpo, ceo])
        const [window] = customer.archived
        assert.isDefined(window)
        const store = yield* ObjectStore
        const copies = Array.from(
          { length: 64 },
          (_, index) => window.key.replace(/-[0-9a-f]{16}\./, `-${String(index).padStart(16, "0")}.`)
        )
        for (const key of copies) yield* store.putBytes(key, Buffer.from(key))
        const erasure = yield* announced(customer)
        const refused = yield* execute(customer, erasure.id)
        assert.strictEqual(refused.status, 503)
        assert.include(refused.body.detail, "more than 64 objects begin with")
        assert.isTrue(yield* isStored(window.key))
        yield* store.remove(copies[0] ?? "")
        assert.strictEqual((yield* execute(customer, erasure.id)).body.state, "done")
        for (const key of copies) assert.isFalse(yield* isStored(key))
      }))
  })
})

describe("a store that fails", { timeout: 120_000 }, () => {
  layer(Live, live)((it) => {
    it.effect("leaves the erasure unfinished, says what is still there, and is tried again", () =>
      Effect.gen(function*() {
        const { store } = yield* World
        const customer = yield* customerWith(2, [dpo, ceo])
        const erasure = yield* announced(customer)
        const stuck = customer.archived[1]?.key ?? ""
        store.remove = (key, real) =>
          key === stuck
            ? Effect.fail(new StorageError({ operation: "remove", key, category: "unauthorised", detail: "locked" }))
            : real.remove(key)
        assert.strictEqual((yield* execute(customer, erasure.id)).status, 503)
        const shown = yield* call(customer.apiKey, "GET", `/api/v1/erasures/${erasure.id}`)
        assert.deepInclude(shown.body, { state: "executing", report: null, lastError: `${stuck}: locked` })
        assert.strictEqual(yield* tombstones(customer), 1)
        const report = yield* verdict(customer)
        assert.notStrictEqual(report.verdict.erasures, "FAIL", JSON.stringify(report.findings))
        assert.notStrictEqual(report.verdict.erasures, "PASS")
        delete store.remove
        assert.deepInclude((yield* execute(customer, erasure.id)).body, { state: "done", lastError: null })
        assert.strictEqual((yield* verdict(customer)).verdict.erasures, "PASS")
      }))

    it.effect("by saying that it removed what it kept is found out, and nothing is reported", () =>
      Effect.gen(function*() {
        const { store } = yield* World
        const customer = yield* customerWith(1, [dpo, ceo])
        const erasure = yield* announced(customer)
        store.remove = () => Effect.void
        const answer = yield* execute(customer, erasure.id)
        assert.strictEqual(answer.status, 503)
        assert.include(answer.body.detail, "still has it")
        assert.strictEqual(yield* tombstones(customer), 1)
        delete store.remove
        assert.strictEqual((yield* execute(customer, erasure.id)).body.state, "done")
      }))

    it.effect("and lies about that too is named by the verifier", () =>
      Effect.gen(function*() {
        const { directory, store } = yield* World
        const customer = yield* customerWith(1, [dpo, ceo])
        const erasure = yield* announced(customer)
        const { key } = customer.archived[0] ?? { key: "" }
        // It hides the object for the time of the erasure, and has it again afterwards.
        const hidden = join(directory, "archive", ".incoming", "hidden")
        store.remove = (removed, real) =>
          removed === key
            ? Effect.sync(() => renameSync(join(directory, "archive", key), hidden))
            : real.remove(removed)
        assert.strictEqual((yield* execute(customer, erasure.id)).body.state, "done")
        delete store.remove
        renameSync(hidden, join(directory, "archive", key))
        const report = yield* verdict(customer)
        assert.strictEqual(report.verdict.erasures, "FAIL")
        assert.include(findings(report), "ERASURE_NOT_EXECUTED")
      }))
  })
})
