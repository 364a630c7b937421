import { assert, describe, it } from "@effect/vitest"
import { printCheckpoint } from "@rainlogs/verify/Checkpoint"
import * as Ed25519 from "@rainlogs/verify/Ed25519"
import { printGenesis } from "@rainlogs/verify/Genesis"
import { printKeys } from "@rainlogs/verify/Keys"
import { leafHash } from "@rainlogs/verify/Merkle"
import { type NoteSigner, parseNote, signNote, verifyNote } from "@rainlogs/verify/Note"
import { makeVerifierKey, parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { printAddCheckpoint } from "@rainlogs/verify/witness/AddCheckpoint"
import { Effect, Fiber, Redacted } from "effect"
import * as fs from "node:fs"
import { join } from "node:path"
import { defaultPolicy } from "../../src/domain/Policy.ts"
import { policyText } from "../../src/ledger/EventDocuments.ts"
import { LedgerEvents } from "../../src/ledger/LedgerEvents.ts"
import { Publisher } from "../../src/ledger/Publisher.ts"
import { SignerUnavailable } from "../../src/ledger/Signer.ts"
import { requestKey } from "../../src/signer/SignerToken.ts"
import { type LedgerWorld, ledgerWorld } from "../ledger/LedgerWorld.ts"
import { ledger } from "../ledger/MemoryLedger.ts"
import { directory, fileOf, proof, root, signerSuite } from "../ledger/SignerSuite.ts"
import {
  goBetween,
  remoteLayer,
  remoteSigner,
  send,
  type SignerProcess,
  signerProcess,
  startSigner,
  stopSigner
} from "./SignerProcess.ts"

const { origin } = ledger
const timeout = 120_000

signerSuite(
  "a remote signer",
  (path) => Effect.flatMap(signerProcess(path), ({ socket, token }) => remoteSigner(socket, token))
)

const query = `?origin=${encodeURIComponent(origin)}`
const bearer = (token: Redacted.Redacted<string>) => ({ authorization: `Bearer ${Redacted.value(token)}` })
const stranger = (name: string): NoteSigner => {
  const seed = new Uint8Array(32).fill(3)
  return { key: makeVerifierKey(name, 1, Ed25519.publicKey(seed)), seed }
}
const stateFile = (path: string) => fs.readFileSync(fileOf(path, ".state"), "utf8")

describe("the wire of rainlogs signer", () => {
  it.live("answers as tlog-witness says, and nobody without the token", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const { socket, token } = yield* signerProcess(path)
      assert.strictEqual(fs.statSync(socket).mode & 0o777, 0o660)
      assert.strictEqual(fs.statSync(join(path, "request.token")).mode & 0o777, 0o600)
      const headers = bearer(token)
      const request = Redacted.value(requestKey(token))
      const ask = (
        old: number,
        size: number,
        hashes: ReadonlyArray<Uint8Array>,
        by: NoteSigner = request,
        treeRoot = root(size)
      ) =>
        Effect.promise(() =>
          send(socket, {
            path: "/add-checkpoint",
            headers,
            body: printAddCheckpoint({
              old,
              proof: hashes,
              checkpoint: signNote(printCheckpoint({ origin, size, root: treeRoot }), [by])
            })
          })
        )
      const status = (sent: Parameters<typeof send>[1]) =>
        Effect.map(Effect.promise(() => send(socket, sent)), (answer) => answer.status)

      assert.strictEqual((yield* ask(0, 3, [])).status, 404)
      assert.strictEqual(yield* status({ path: `/state${query}`, method: "GET", headers }), 404)
      assert.strictEqual(yield* status({ path: `/keys${query}`, headers }), 200)
      const first = yield* ask(0, 3, [])
      assert.strictEqual(first.status, 200)
      assert.lengthOf(first.body.trim().split("\n"), 2)
      const step = yield* proof(3, 7)
      assert.strictEqual((yield* ask(3, 7, step)).status, 200)
      const before = stateFile(path)

      const replayed = yield* ask(3, 7, step)
      assert.deepStrictEqual([replayed.status, replayed.type, replayed.body], [409, "text/x.tlog.size", "7\n"])
      assert.strictEqual((yield* ask(0, 3, [])).status, 409)
      assert.strictEqual((yield* ask(7, 7, [], request, root(8))).status, 409)
      assert.strictEqual((yield* ask(7, 3, [])).status, 400)
      const forward = yield* proof(7, 12)
      assert.strictEqual((yield* ask(7, 12, forward, request, root(13))).status, 422)
      assert.strictEqual((yield* ask(7, 12, [])).status, 422)
      assert.strictEqual((yield* ask(7, 12, forward, stranger(request.key.name))).status, 403)
      assert.strictEqual((yield* ask(7, 12, forward, stranger(origin))).status, 403)
      assert.strictEqual(yield* status({ path: "/add-checkpoint", headers, body: "old 0\n" }), 400)

      const doors = [
        { path: `/keys${query}` },
        { path: `/state${query}`, method: "GET" },
        { path: "/add-checkpoint" },
        { path: "/sign-document" }
      ]
      for (const door of doors) {
        for (const authorization of ["", "Bearer ", `Bearer ${"0".repeat(64)}`, `Basic ${Redacted.value(token)}`]) {
          assert.strictEqual(
            yield* status({ ...door, headers: { authorization } }),
            403,
            `${door.path} ${authorization}`
          )
        }
      }
      const huge = "x".repeat(70_000)
      assert.strictEqual(yield* status({ path: "/add-checkpoint", headers, body: huge }), 413)
      const chunked = { ...headers, "transfer-encoding": "chunked", "content-length": "" }
      assert.notStrictEqual(
        yield* Effect.promise(() =>
          send(socket, { path: "/add-checkpoint", headers: chunked, body: huge }).then(
            ({ status }) => status,
            () => 413
          )
        ),
        200
      )
      assert.strictEqual(
        yield* status({ path: `/state${query}`, method: "GET", headers: { ...headers, x: "x".repeat(9_000) } }),
        431
      )
      assert.strictEqual(yield* status({ path: "/nothing", headers }), 404)
      assert.strictEqual(yield* status({ path: `/state${query}`, headers }), 405)
      assert.strictEqual(yield* status({ path: `/keys?origin=nonsense`, headers }), 400)
      assert.strictEqual(yield* status({ path: "/healthz", method: "GET" }), 200)
      assert.strictEqual(stateFile(path), before)
      assert.strictEqual((yield* ask(7, 12, forward)).status, 200)
    }), timeout)

  it.live("signs the documents of its ledgers and is no oracle for anything else", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const { socket, token } = yield* signerProcess(path)
      const signer = yield* remoteSigner(socket, token)
      const named = yield* signer.keys(origin)
      const log = parseVerifierKey(named.log)
      const clock = parseVerifierKey(named.clock)
      const policy = policyText(origin, defaultPolicy)
      for (const text of [printGenesis({ origin, log, clock }), policy]) {
        const note = parseNote(yield* signer.signDocument(origin, text))
        assert.deepStrictEqual([note.text, verifyNote(note, [log]).verified], [text, [log]])
      }
      const theirs = stranger(origin).key
      const refused: ReadonlyArray<readonly [string, string, number]> = [
        ["a checkpoint", printCheckpoint({ origin, size: 5, root: root(5) }), 400],
        ["a checkpoint with lines after it", `${printCheckpoint({ origin, size: 5, root: root(5) })}more\n`, 400],
        [
          "a checkpoint after the name of a format",
          `rainlogs-policy/v1\n${printCheckpoint({ origin, size: 5, root: root(5) })}`,
          400
        ],
        ["a policy with a line more", `${policy}more 1\n`, 400],
        ["a policy with a blank line", `${policy}\n`, 400],
        ["a policy without its last line end", policy.slice(0, -1), 400],
        ["a policy with CRLF", policy.replaceAll("\n", "\r\n"), 400],
        ["a heartbeat", `rainlogs-heartbeat/v1\norigin ${origin}\nepoch 1\ntree-size 0\n`, 400],
        ["a name every object has", "constructor\n", 400],
        ["no text", "", 400],
        ["the policy of another origin", policy.replaceAll(origin, origin.replace("archive.", "other.")), 404],
        ["a genesis with another key", printGenesis({ origin, log: theirs, clock }), 422],
        [
          "keys that hand the ledger over",
          printKeys({ origin, version: 2, previous: log, log: theirs, clock, revoked: [] }),
          422
        ]
      ]
      for (const [what, text, status] of refused) {
        const answer = yield* Effect.promise(() =>
          send(socket, { path: "/sign-document", headers: bearer(token), body: text })
        )
        assert.strictEqual(answer.status, status, `${what}: ${answer.body}`)
        assert.notInclude(answer.body, "— ", what)
      }
      assert.instanceOf(yield* Effect.flip(signer.signDocument(origin, "no document\n")), SignerUnavailable)
    }), timeout)
})

const publish = Publisher.use((publisher) => publisher.publish(ledger))
const open = LedgerEvents.use((events) => events.open(ledger))
const grow = (world: LedgerWorld, to: number): void => {
  for (let index = world.rows.of(origin).length; index < to; index++) world.rows.appendWindow(origin, index, 0)
}

describe("a signer process that is killed", () => {
  it.live(
    "before it signs, after it signed, and at any moment: no fork, and publishing resumes",
    () =>
      Effect.gen(function*() {
        const path = yield* directory
        const world = yield* ledgerWorld
        let running: SignerProcess = yield* Effect.acquireRelease(
          Effect.promise(() => startSigner(path)),
          () => Effect.promise(() => stopSigner(running))
        )
        const between = join(path, "between.sock")
        let killAfter = false
        yield* goBetween(between, () => running.socket, async (asked, answer) => {
          if (!killAfter || asked !== "/add-checkpoint") return answer
          killAfter = false
          assert.strictEqual(answer.status, 200)
          await stopSigner(running)
          return null
        })
        const restart = Effect.promise(async () => {
          running = await startSigner(path)
        })
        const sizeSigned = () => Number(/^size (\d+)$/m.exec(stateFile(path))?.[1])
        const layer = remoteLayer(between, running.token, 5_000)
        // Each run is a new process of the archive: nothing but the files tells what was signed.
        const step = world.run(Effect.andThen(open, publish), layer)
        yield* step
        grow(world, 5)

        killAfter = true
        assert.instanceOf(yield* Effect.flip(step), SignerUnavailable)
        assert.strictEqual(sizeSigned(), 5, "signed, and the answer was lost")
        assert.notInclude(world.paths("checkpoint.d/"), "checkpoint.d/00000000000000000005")
        assert.instanceOf(yield* Effect.flip(step), SignerUnavailable)
        yield* restart
        yield* step
        assert.include(world.paths("checkpoint.d/"), "checkpoint.d/00000000000000000005")

        grow(world, 8)
        running.child.kill("SIGSTOP")
        const waiting = yield* Effect.forkChild(Effect.exit(step))
        yield* Effect.sleep("300 millis")
        yield* Effect.promise(() => stopSigner(running))
        assert.notStrictEqual((yield* Fiber.join(waiting))._tag, "Success")
        assert.strictEqual(sizeSigned(), 5, "received, and nothing signed")
        yield* restart
        assert.deepStrictEqual(yield* step, { outcome: "published", size: 8 })

        for (const delay of [2, 5, 9, 14, 20]) {
          grow(world, world.rows.of(origin).length + 3)
          const racing = yield* Effect.forkChild(Effect.exit(step))
          yield* Effect.sleep(delay)
          yield* Effect.promise(() => stopSigner(running))
          yield* Fiber.join(racing)
          yield* restart
          const last = yield* step
          assert.strictEqual(last.outcome === "halted" ? last.reason : sizeSigned(), world.rows.of(origin).length)
        }
        const signer = yield* remoteSigner(running.socket, running.token)
        const { log } = yield* signer.keys(origin)
        const { findings, verdict } = yield* world.reportWith({ keys: [parseVerifierKey(log)] })
        assert.strictEqual(verdict.integrity, "PASS", JSON.stringify(findings))
      }),
    240_000
  )

  it.live(
    "ends on SIGTERM, leaves no socket, and a second one on its directory is refused",
    () =>
      Effect.gen(function*() {
        const path = yield* directory
        const running = yield* signerProcess(path)
        const second = yield* Effect.promise(() =>
          startSigner(path, join(path, "second.sock")).then(() => "it runs", String)
        )
        assert.match(second, /only one process may use a signer directory/)
        assert.strictEqual(yield* Effect.promise(() => stopSigner(running, "SIGTERM")), 130)
        assert.isFalse(fs.existsSync(running.socket))
        assert.isFalse(fs.existsSync(join(path, "lock")))
      }),
    timeout
  )
})

describe("a signer that lies", () => {
  it.live(
    "other keys, another state, other signatures: found, and nothing of it is used",
    () =>
      Effect.gen(function*() {
        const path = yield* directory
        const honest = yield* signerProcess(path)
        const other = yield* signerProcess(yield* directory)
        const between = join(path, "between.sock")
        let change: (asked: string, body: string) => string = (_, body) => body
        yield* goBetween(between, () =>
          honest.socket, (asked, answer) =>
          Promise.resolve({ ...answer, body: change(asked.split("?")[0] ?? "", answer.body) }))
        const signer = yield* remoteSigner(between, honest.token)
        yield* signer.keys(origin)
        yield* signer.sign({ origin, size: 3, root: root(3), proof: [] })
        const grown = { origin, size: 7, root: root(7), proof: yield* proof(3, 7) }

        const theirs = yield* remoteSigner(other.socket, other.token)
        yield* theirs.keys(origin)
        const { served } = yield* theirs.sign({ origin, size: 7, root: root(7), proof: [] })
        const lines = new TextDecoder().decode(served).split("\n\n")[1] ?? ""
        const foreign = yield* Effect.promise(() =>
          send(other.socket, { path: `/keys${query}`, headers: bearer(other.token) })
        )
        const lies: ReadonlyArray<readonly [string, string, typeof change]> = [
          ["keys", "other keys than before", () =>
            foreign.body],
          ["state", "its state", (asked, body) => asked === "/state" ? body.replace("\n3\n", "\n2\n") : body],
          ["sign", "not signed", (asked, body) => asked === "/add-checkpoint" ? lines : body],
          ["sign", "not signed", (asked, body) => asked === "/add-checkpoint" ? `${body.split("\n")[0]}\n` : body],
          ["sign", "its signatures", (asked, body) => asked === "/add-checkpoint" ? `${body}more\n` : body]
        ]
        for (const [method, message, lie] of lies) {
          change = lie
          const asked = method === "keys"
            ? Effect.asVoid(signer.keys(origin))
            : method === "state"
            ? Effect.asVoid(signer.state(origin))
            : Effect.asVoid(signer.sign(
              (yield* remoteSigner(honest.socket, honest.token).pipe(Effect.flatMap((direct) => direct.state(origin))))
                  .size === 3
                ? grown
                : { ...grown, proof: [] }
            ))
          const error = yield* Effect.flip(asked)
          assert.instanceOf(error, SignerUnavailable)
          assert.include(error.detail, message)
          yield* Effect.sleep("300 millis")
        }
        change = (_, body) => body
        yield* signer.sign({ ...grown, proof: [] })
        const wrong = yield* remoteSigner(honest.socket, Redacted.make("0".repeat(64)))
        assert.include((yield* Effect.flip(wrong.state(origin))).detail, "refuses the token")
      }),
    timeout
  )
})

describe("an attacker who owns database and tiles", () => {
  it.live(
    "gets no signature for a rewritten past: signing stops with an alarm, appending goes on",
    () =>
      Effect.gen(function*() {
        const path = yield* directory
        const world = yield* ledgerWorld
        const { socket, token } = yield* signerProcess(path)
        const layer = remoteLayer(socket, token)
        grow(world, 5)
        yield* world.run(publish, layer)
        const before = stateFile(path)
        const checkpoint = world.file("checkpoint")
        // The rows say something else, and the tiles are made anew from them.
        const rows = world.rows.of(origin)
        const entry = new TextEncoder().encode(
          new TextDecoder().decode(rows[1]!.row.entry).replace(
            "fidelity complete",
            "fidelity sampled"
          )
        )
        rows[1] = { ...rows[1]!, row: { leafIndex: 1, entry, leafHash: leafHash(entry) } }
        for (const name of world.files.keys()) {
          if (name.includes("/tile/")) world.files.delete(name)
        }
        grow(world, 9)
        const halted = yield* world.run(publish, layer)
        assert.match(halted.outcome === "halted" ? halted.reason : halted.outcome, /signed|root/)
        assert.strictEqual(world.rows.of(origin).length, 9)
        assert.strictEqual(stateFile(path), before)
        assert.deepStrictEqual(world.file("checkpoint"), checkpoint)
      }),
    timeout
  )
})
