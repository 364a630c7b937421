/**
 * What every Signer must do, run against each adapter: what it signs, what it refuses, and what it remembers.
 */
import { assert, describe, it } from "@effect/vitest"
import { consistencyProof, emptyRoot, leafHash, nodeHash } from "@rainlogs/verify/Merkle"
import { parseNote, verifyNote } from "@rainlogs/verify/Note"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Effect, Exit, type Scope } from "effect"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Signer, SignerRefused } from "../../src/ledger/Signer.ts"
import { ledger } from "./MemoryLedger.ts"
import { naiveRoot } from "./NaiveTree.ts"

const { origin } = ledger
const leaves = Array.from({ length: 20 }, (_, i) => leafHash(Uint8Array.of(i)))

/** The root of the first `size` leaves of the suite's tree. */
export const root = (size: number) => naiveRoot(leaves.slice(0, size))

/** The consistency proof between two sizes of the suite's tree. */
export const proof = (from: number, to: number) =>
  Effect.promise(() =>
    consistencyProof((level, index) => naiveRoot(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level)), from, to)
  )

/** A directory for the time of a test. */
export const directory = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "rainlogs-signer-"))),
  (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true }))
)

/** The file of a signer directory whose name ends so. */
export const fileOf = (path: string, end: string) =>
  join(path, fs.readdirSync(path).find((name) => name.endsWith(end))!)

/** The suite; `signerIn` opens a signer whose keys and state are in the directory, for as long as the scope is open. */
export const signerSuite = <E>(
  adapter: string,
  signerIn: (path: string) => Effect.Effect<Signer["Service"], E, Scope.Scope>
): void => {
  describe(`what ${adapter} refuses`, () => {
    it.effect(
      "signs trees that extend the last one, and the last one again with the same bytes",
      () =>
        Effect.gen(function*() {
          const signer = yield* signerIn(yield* directory)
          const empty = yield* signer.sign({ origin, size: 0, root: emptyRoot, proof: [] })
          assert.include(new TextDecoder().decode(empty.immutable), `${origin}\n0\n`)
          const three = yield* signer.sign({ origin, size: 3, root: root(3), proof: [] })
          const again = yield* signer.sign({ origin, size: 3, root: root(3), proof: [] })
          assert.deepStrictEqual(again.immutable, three.immutable)
          yield* signer.sign({ origin, size: 7, root: root(7), proof: yield* proof(3, 7) })
          assert.deepStrictEqual(yield* signer.state(origin), { size: 7, root: root(7) })
          const keys = yield* signer.keys(origin)
          const both = [parseVerifierKey(keys.log), parseVerifierKey(keys.clock)]
          assert.lengthOf(verifyNote(parseNote(three.served), both).verified, 2)
          assert.lengthOf(verifyNote(parseNote(three.immutable), both).verified, 1)
        }),
      60_000
    )

    it.effect("refuses everything else, signs nothing and keeps its state", () =>
      Effect.gen(function*() {
        const path = yield* directory
        const signer = yield* signerIn(path)
        yield* signer.sign({ origin, size: 5, root: root(5), proof: [] })
        const before = fs.readFileSync(fileOf(path, ".state"), "utf8")
        const good = yield* proof(5, 9)
        const refused: ReadonlyArray<readonly [string, Parameters<typeof signer.sign>[0]]> = [
          ["a smaller size", { origin, size: 4, root: root(4), proof: [] }],
          ["size 0", { origin, size: 0, root: emptyRoot, proof: [] }],
          ["another root of the same size", { origin, size: 5, root: root(6), proof: [] }],
          ["a proof between equal sizes", { origin, size: 5, root: root(5), proof: good }],
          ["no proof", { origin, size: 9, root: root(9), proof: [] }],
          ["another root than the proof's", { origin, size: 9, root: root(10), proof: good }],
          ["a shortened proof", { origin, size: 9, root: root(9), proof: good.slice(1) }],
          ["a lengthened proof", { origin, size: 9, root: root(9), proof: [...good, root(1)] }],
          ["the proof of another size", { origin, size: 10, root: root(10), proof: good }],
          ["a changed proof", {
            origin,
            size: 9,
            root: root(9),
            proof: good.map((hash, i) => i === 0 ? nodeHash(hash, hash) : hash)
          }],
          ["a hash of 31 bytes", { origin, size: 9, root: root(9), proof: good.map((hash) => hash.slice(1)) }],
          ["a root of 31 bytes", { origin, size: 9, root: root(9).slice(1), proof: good }],
          ["a size that is no integer", { origin, size: 9.5, root: root(9), proof: good }],
          ["a size past 2^53", { origin, size: 2 ** 53, root: root(9), proof: good }],
          ["a negative size", { origin, size: -1, root: root(9), proof: good }]
        ]
        for (const [what, request] of refused) {
          const error = yield* Effect.flip(signer.sign(request))
          assert.instanceOf(error, SignerRefused, what)
          if (request.size < 5 && request.size >= 0) assert.include(error.detail, "smaller", what)
          assert.strictEqual(fs.readFileSync(fileOf(path, ".state"), "utf8"), before, what)
        }
        yield* signer.sign({ origin, size: 9, root: root(9), proof: good })
      }), 60_000)

    it.effect("takes no proof from size 0, and ends on one that claims size1 = 0", () =>
      Effect.gen(function*() {
        const signer = yield* signerIn(yield* directory)
        const error = yield* Effect.flip(signer.sign({ origin, size: 2, root: root(2), proof: [root(1)] }))
        assert.instanceOf(error, SignerRefused)
        assert.strictEqual(error.detail, "a proof from size 0 is empty")
        const wrongEmpty = yield* Effect.flip(signer.sign({ origin, size: 0, root: root(2), proof: [] }))
        assert.instanceOf(wrongEmpty, SignerRefused)
      }), 60_000)

    it.effect("of two concurrent trees that exclude each other it signs one", () =>
      Effect.gen(function*() {
        const signer = yield* signerIn(yield* directory)
        const left = { origin, size: 4, root: root(4), proof: [] }
        const right = { origin, size: 4, root: root(5), proof: [] }
        const exits = yield* Effect.forEach([left, right, left, right], (tree) => Effect.exit(signer.sign(tree)), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, false, true, false])
      }), 60_000)
  })
}
