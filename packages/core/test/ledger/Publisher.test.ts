import { assert, describe, it } from "@effect/vitest"
import { parseCheckpoint } from "@rainlogs/verify/Checkpoint"
import { checkpointKey, ledgerKey } from "@rainlogs/verify/Layout"
import { leafHash } from "@rainlogs/verify/Merkle"
import { parseNote } from "@rainlogs/verify/Note"
import { Context, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { partialPaths } from "../../src/ledger/GrowingTree.ts"
import { LedgerEvents } from "../../src/ledger/LedgerEvents.ts"
import { keptCheckpoints, keptMs } from "../../src/ledger/PartialTiles.ts"
import * as PublisherModule from "../../src/ledger/Publisher.ts"
import { Publisher } from "../../src/ledger/Publisher.ts"
import { Signer } from "../../src/ledger/Signer.ts"
import { LedgerWorld, ledgerWorld } from "./LedgerWorld.ts"
import { ledger } from "./MemoryLedger.ts"
import { naiveRoot, naiveTiles } from "./NaiveTree.ts"

const { origin } = ledger
const publish = Publisher.use((publisher) => publisher.publish(ledger))
const status = Publisher.use((publisher) => publisher.status(ledger))
const open = LedgerEvents.use((events) => events.open(ledger))

const grow = (world: LedgerWorld, to: number, now = 0): void => {
  for (let index = world.rows.of(origin).length; index < to; index++) world.rows.appendWindow(origin, index, now)
}
/** Changes the text of an entry in SQL, and its leaf hash with it. */
const edit = (world: LedgerWorld, leafIndex: number, change: (text: string) => string): void => {
  const rows = world.rows.of(origin)
  const text = new TextDecoder().decode(rows[leafIndex]!.row.entry)
  assert.notStrictEqual(change(text), text)
  const entry = new TextEncoder().encode(change(text))
  rows[leafIndex] = { ...rows[leafIndex]!, row: { leafIndex, entry, leafHash: leafHash(entry) } }
}
const served = (world: LedgerWorld) => parseCheckpoint(parseNote(world.file("checkpoint")!).text)
const rootOf = (world: LedgerWorld, size: number) =>
  naiveRoot(world.rows.of(origin).slice(0, size).map(({ row }) => row.leafHash))
const archived = (world: LedgerWorld) => world.paths("checkpoint.d/").map((path) => Number(path.slice(13)))

describe("publishing", () => {
  it.effect("publishes what is new, and nothing when nothing is", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      yield* world.run(Effect.gen(function*() {
        assert.deepStrictEqual(yield* publish, { outcome: "unchanged", size: 0 })
        assert.deepStrictEqual(world.paths(), [])
        yield* open
        for (const size of [3, 4, 255, 256, 257, 512, 800]) {
          grow(world, size)
          assert.deepStrictEqual(yield* publish, { outcome: "published", size })
          assert.deepStrictEqual(served(world), { origin, size, root: rootOf(world, size) })
          assert.deepStrictEqual(yield* publish, { outcome: "unchanged", size })
        }
      }))
      assert.deepStrictEqual(archived(world), [3, 4, 255, 256, 257, 512, 800])
      const { findings, verdict } = yield* world.report
      assert.strictEqual(verdict.integrity, "PASS", JSON.stringify(findings))
    }))

  it.effect(
    "tiles, bundles and roots are right past a level-2 tile, in one go and in small steps",
    () =>
      Effect.gen(function*() {
        const world = yield* ledgerWorld
        grow(world, 66_000)
        yield* world.run(publish)
        assert.deepStrictEqual(served(world).root, rootOf(world, 66_000))
        const leaves = world.rows.of(origin).map(({ row }) => row.leafHash)
        const entries = world.rows.of(origin).map(({ row }) => row.entry)
        const { files: expected } = naiveTiles(leaves, entries)
        assert.deepStrictEqual(world.paths("tile/"), [...expected.keys()].sort())
        for (const [path, bytes] of expected) assert.deepStrictEqual(world.file(path), bytes, path)

        world.faults.restart()
        yield* world.run(Effect.gen(function*() {
          for (const size of [66_001, 66_047, 66_048, 66_049]) {
            grow(world, size)
            yield* publish
            assert.deepStrictEqual(served(world).root, rootOf(world, size))
          }
          world.faults.steps = []
          grow(world, 66_050)
          yield* publish
        }))
        // One partial tile per level for the edge, and a handful for the proof: not a number that grows with the tree.
        assert.isAtMost(
          world.faults.steps.filter((step) => step.startsWith("get ")).length,
          9,
          world.faults.steps.join("\n")
        )
        assert.isAtMost(
          world.faults.steps.filter((step) => step.startsWith("put ")).length,
          6,
          world.faults.steps.join("\n")
        )
      }),
    60_000
  )

  it.effect("two publishers: one publishes, the other is busy, and both go on afterwards", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      grow(world, 300)
      yield* Effect.gen(function*() {
        // Its files take real time, in which the other one comes.
        const signer = yield* Layer.build(world.signerLocal)
        const process = Layer.fresh(PublisherModule.layer).pipe(
          Layer.provide(world.services()),
          Layer.provide(Layer.succeedContext(signer))
        )
        const publishers = yield* Effect.forEach([1, 2], () => Effect.provide(Publisher, process, { local: true }))
        for (let size = 301; size < 320; size++) {
          grow(world, size)
          const outcomes = yield* Effect.forEach(publishers, (publisher) => publisher.publish(ledger), {
            concurrency: 2
          })
          assert.deepStrictEqual(outcomes.map(({ outcome }) => outcome).sort(), ["busy", "published"], String(size))
          publishers.reverse()
        }
      }).pipe(Effect.scoped)
      assert.deepStrictEqual(served(world).root, rootOf(world, 319))
      const { findings } = yield* world.report
      assert.isFalse(findings.some(({ code }) => /TILE|ROOT|EQUIVOCATION|LEAF/.test(code)), JSON.stringify(findings))
    }))

  it.effect("a publisher that another one overtakes between its tiles and its signature does not halt", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      grow(world, 300)
      const signer = Context.get(yield* Layer.build(world.signer), Signer)
      const publisherWith = (sign: typeof signer.sign) =>
        Effect.provide(
          Publisher,
          Layer.fresh(PublisherModule.layer).pipe(
            Layer.provide(world.services()),
            Layer.provide(Layer.succeed(Signer, Signer.of({ ...signer, sign })))
          ),
          { local: true }
        )
      const other = yield* publisherWith(signer.sign)
      let overtaken = false
      const slow = yield* publisherWith((request) =>
        Effect.suspend(() => {
          if (overtaken) return signer.sign(request)
          overtaken = true
          grow(world, 310)
          // As if the database connection, and the lock with it, had been lost.
          world.rows.publishing = false
          return Effect.andThen(Effect.orDie(other.publish(ledger)), signer.sign(request))
        })
      )
      assert.deepStrictEqual(yield* slow.publish(ledger), { outcome: "busy" })
      assert.deepStrictEqual(archived(world), [310])
      grow(world, 320)
      assert.deepStrictEqual(yield* slow.publish(ledger), { outcome: "published", size: 320 })
    }))

  it.effect("says how far it is and how long the oldest entry has been waiting", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      yield* world.run(Effect.gen(function*() {
        assert.deepStrictEqual(yield* status, { publishedSize: 0, sqlSize: 0, halted: null, lagMs: 0 })
        grow(world, 2, 1_000)
        yield* publish
        grow(world, 3, 5_000)
        grow(world, 4, 9_000)
        yield* TestClock.setTime(12_000)
        assert.deepStrictEqual(yield* status, { publishedSize: 2, sqlSize: 4, halted: null, lagMs: 7_000 })
      }))
    }))
})

describe("old partial tiles", () => {
  it.effect("go when no recent checkpoint needs them; full tiles and those of recent checkpoints stay", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      const sizes = Array.from({ length: 60 }, (_, i) => 230 + i)
      yield* world.run(Effect.gen(function*() {
        for (const size of sizes) {
          yield* TestClock.adjust(1_000)
          grow(world, size)
          yield* publish
        }
      }))
      assert.includeMembers(world.paths("tile/"), sizes.flatMap(partialPaths))
      world.faults.restart()
      yield* world.run(Effect.gen(function*() {
        // A new process does not know when the files it finds were last needed: they have their full time again.
        yield* publish
        yield* TestClock.adjust(keptMs - 10_000)
        for (const size of [290, 291, 292, 293]) {
          yield* TestClock.adjust(1_000)
          grow(world, size)
          yield* publish
        }
        assert.includeMembers(world.paths("tile/"), partialPaths(260))
        yield* TestClock.adjust(10_000)
        grow(world, 294)
        yield* publish
        const left = world.paths("tile/").filter((path) => path.includes(".p/") && path.includes("/001"))
        assert.deepStrictEqual(
          left.sort(),
          [290, 291, 292, 293, 294].flatMap(partialPaths).filter((path) => path.includes("/001")).sort()
        )
        yield* TestClock.adjust(keptMs + 60_000)
        grow(world, 295)
        yield* publish
        const last = Array.from({ length: keptCheckpoints }, (_, i) => 292 + i).flatMap(partialPaths)
        const partial = world.paths("tile/").filter((path) => path.includes(".p/") && !path.includes("/000"))
        assert.deepStrictEqual(partial, [...new Set(last)].filter((path) => !path.includes("/000")).sort())
        assert.includeMembers(world.paths("tile/"), ["tile/0/000", "tile/entries/000", "tile/1/000.p/1"])
      }))
      const removed = world.faults.steps.filter((step) => step.startsWith("remove "))
      assert.isNotEmpty(removed)
      assert.isTrue(removed.every((step) => /\.p\/\d+$/.test(step)))
      const { findings } = yield* world.report
      assert.isFalse(findings.some(({ code }) => /TILE|BUNDLE|ROOT|LEAF/.test(code)), JSON.stringify(findings))
    }))
})

describe("what does not agree", () => {
  const cases: ReadonlyArray<readonly [string, RegExp, (world: LedgerWorld) => void]> = [
    ["a row changed in SQL", /entry 298 in SQL is not the one in the stored tiles/, (world) => {
      const rows = world.rows.of(origin)
      const changed = new LedgerWorld()
      grow(changed, 299, 5)
      rows[298] = changed.rows.of(origin)[298]!
      changed.dispose()
    }],
    ["a leaf hash that is not that of its entry", /leaf hash of entry 270 in SQL/, (world) => {
      const rows = world.rows.of(origin)
      rows[270] = { ...rows[270]!, row: { ...rows[270]!.row, leafHash: rows[271]!.row.leafHash } }
    }],
    [
      "a row that was lost",
      /SQL gave row 271 where 270 was expected/,
      (world) => void world.rows.of(origin).splice(270, 1)
    ],
    ["SQL went back", /SQL has 290 entries but 300 were signed/, (world) => void world.rows.of(origin).splice(290)],
    ["an entry of another ledger", /entry 301 in SQL is not an entry of this ledger/, (world) => {
      const rows = world.rows.of(origin)
      const text = new TextDecoder().decode(rows[301]!.row.entry).replace("origin archive", "origin elsewhere")
      const entry = new TextEncoder().encode(text)
      rows[301] = { ...rows[301]!, row: { leafIndex: 301, entry, leafHash: leafHash(entry) } }
    }],
    // What the database's password allows: to append, with columns and leaf hash that agree with the text.
    ["an entry that is not in the format", /entry 599 in SQL is not in the format: .*line 12/, (world) => {
      edit(world, 599, (text) => `${text.slice(0, text.indexOf("\nkey "))}\nkey is what you like\n`)
    }],
    ["an entry whose hash is not the chain hash", /entry 599 in SQL does not continue its chain/, (world) => {
      edit(world, 599, (text) => text.replace(/^hash .{8}/m, "hash 00000000"))
    }],
    ["an entry that leaves one of its chain out", /entry 599 in SQL does not continue its chain/, (world) => {
      edit(world, 599, (text) => text.replace(/^seq 599$/m, "seq 600"))
    }],
    ["a second beginning of a chain", /entry 599 in SQL does not continue its chain/, (world) => {
      edit(world, 599, (text) => text.replace(/^seq 599$/m, "seq 0"))
    }],
    ["an entry that does not follow the last signed one", /entry 300 in SQL does not continue its chain/, (world) => {
      edit(world, 300, (text) => text.replace(/^seq 300$/m, "seq 301"))
    }],
    ["an entry older than the one before", /the time of entry 599 in SQL is before that of the entry/, (world) => {
      edit(world, 598, (text) => text.replace(/^time 0$/m, "time 5"))
    }],
    ["a changed partial tile", /do not have the root that was signed for size 300/, (world) => {
      world.file("tile/1/000.p/1")![0]! ^= 1
    }],
    ["a changed hash in the last tile", /entry 256 in SQL is not the one/, (world) => {
      world.file("tile/0/001.p/44")![0]! ^= 1
    }],
    ["a shortened tile", /has 1407 bytes, expected 1408/, (world) => {
      world.files.set(ledgerKey(origin, "tile/0/001.p/44"), world.file("tile/0/001.p/44")!.slice(1))
    }],
    ["a changed bundle", /the stored tile\/entries\/001.p\/44 has other bytes/, (world) => {
      world.file("tile/entries/001.p/44")![9]! ^= 1
    }],
    ["a full tile of another history in the way", /the stored tile\/0\/001 has other bytes/, (world) => {
      world.files.set(ledgerKey(origin, "tile/0/001"), new Uint8Array(8192))
    }],
    ["a served checkpoint of another key", /not signed with this signer's key/, (world) => {
      const text = new TextDecoder().decode(world.file("checkpoint"))
      world.files.set(
        checkpointKey(origin),
        new TextEncoder().encode(text.replace(/— .* Q0z/, (line) => line.replace("Q0z", "Q0y")))
      )
    }],
    ["a damaged served checkpoint", /the served checkpoint is damaged/, (world) => {
      world.file("checkpoint")![0] = 10
    }],
    ["an archived checkpoint of another tree", /another checkpoint is archived for size 600/, (world) => {
      world.files.set(ledgerKey(origin, `checkpoint.d/${"600".padStart(20, "0")}`), new Uint8Array(3))
    }]
  ]
  for (const [what, reason, damage] of cases) {
    it.effect(`${what} halts the ledger: nothing more is signed, the reason is shown`, () =>
      Effect.gen(function*() {
        const world = yield* ledgerWorld
        grow(world, 300)
        yield* world.run(publish)
        grow(world, 600)
        damage(world)
        yield* world.run(Effect.gen(function*() {
          const before = yield* (yield* Signer).state(origin)
          const outcome = yield* publish
          assert.strictEqual(outcome.outcome, "halted")
          assert.match(outcome.outcome === "halted" ? outcome.reason : "", reason)
          assert.match((yield* status).halted ?? "", reason)
          grow(world, 601)
          assert.strictEqual((yield* publish).outcome, "halted")
          const after = yield* (yield* Signer).state(origin)
          if (what !== "an archived checkpoint of another tree") assert.deepStrictEqual(after, before)
        }))
        assert.notInclude(archived(world), 601)
      }))
  }

  it.effect("a signer that lost its state does not start a second history", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      grow(world, 300)
      yield* world.run(publish)
      const blank = new LedgerWorld()
      yield* blank.run(Signer.use((signer) => signer.keys(origin)))
      const process = Layer.fresh(PublisherModule.layer).pipe(
        Layer.provide(world.services()),
        Layer.provide(blank.signer)
      )
      const outcome = yield* Effect.provide(publish, process, { local: true })
      blank.dispose()
      assert.deepInclude(outcome, { outcome: "halted" })
      assert.match(
        outcome.outcome === "halted" ? outcome.reason : "",
        /size 300 is served but the signer knows only of 0/
      )
    }))

  const files = ["tile/0/001.p/44", "tile/entries/001.p/44", "tile/1/000.p/1"]
  for (const lost of [...files, "all", "checkpoint", `checkpoint.d/${"300".padStart(20, "0")}`]) {
    it.effect(`what lags behind the signer (${lost} missing) is written again`, () =>
      Effect.gen(function*() {
        const world = yield* ledgerWorld
        grow(world, 300)
        yield* world.run(publish)
        const before = new Map(world.files)
        for (const path of lost === "all" ? world.paths("tile/") : [lost]) world.files.delete(ledgerKey(origin, path))
        yield* world.run(Effect.gen(function*() {
          assert.deepStrictEqual(yield* publish, { outcome: "unchanged", size: 300 })
        }))
        assert.deepStrictEqual(new Map([...world.files].sort()), new Map([...before].sort()))
      }))
  }

  it.effect("tiles that are missing and cannot be made again to the signed root halt the ledger", () =>
    Effect.gen(function*() {
      const world = yield* ledgerWorld
      grow(world, 300)
      yield* world.run(publish)
      for (const path of world.paths("tile/")) world.files.delete(ledgerKey(origin, path))
      const other = new LedgerWorld()
      grow(other, 300, 5)
      world.rows.of(origin).splice(0, 300, ...other.rows.of(origin))
      other.dispose()
      const outcome = yield* world.run(publish)
      assert.match(
        outcome.outcome === "halted" ? outcome.reason : "",
        /do not have the root that was signed for size 300/
      )
    }))
})
