/**
 * What outlives a process (rows, objects, the signer's directory) and processes that run on it, to be killed at will.
 */
import type { ArchiveReader } from "@rainlogs/verify/ArchiveReader"
import { sha256 } from "@rainlogs/verify/Hash"
import * as Hex from "@rainlogs/verify/Hex"
import { ledgerKey } from "@rainlogs/verify/Layout"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { verifyArchive, type VerifyOptions } from "@rainlogs/verify/VerifyArchive"
import { Effect, Layer, Redacted, type Scope } from "effect"
import { cpSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { KeyChanges } from "../../src/ledger/KeyChanges.ts"
import { KeyHistory } from "../../src/ledger/KeyHistory.ts"
import * as LedgerEvents from "../../src/ledger/LedgerEvents.ts"
import { LedgerStore } from "../../src/ledger/LedgerStore.ts"
import * as Publisher from "../../src/ledger/Publisher.ts"
import { Signer, type SignerUnavailable } from "../../src/ledger/Signer.ts"
import * as SignerLocal from "../../src/ledger/SignerLocal.ts"
import { ObjectStore } from "../../src/storage/ObjectStore.ts"
import golden from "../vectors/ledger.json" with { type: "json" }
import { Faults } from "./Faults.ts"
import { ledger, memoryLedger, MemoryRows } from "./MemoryLedger.ts"
import { memoryObjects } from "./MemoryObjects.ts"
import { memorySigner } from "./MemorySigner.ts"

/** The seeds of the golden vectors. */
const goldenSeeds = Redacted.make({
  log: Hex.decode(golden.keys.log.testSeedHex),
  clock: Hex.decode(golden.keys.clock.testSeedHex)
})

/** One world with its rows, objects and signer directory. */
export class LedgerWorld {
  readonly files = new Map<string, Uint8Array>()
  readonly rows = new MemoryRows()
  readonly faults = new Faults()
  readonly directory = mkdtempSync(join(tmpdir(), "rainlogs-signer-"))
  readonly store = memoryLedger(this.rows, this.faults.hook)
  readonly objects = memoryObjects(this.files, this.faults.hook)

  /** A signer without files; its state outlives the processes. */
  readonly signer = this.#faulty(Effect.succeed(memorySigner(Redacted.value(goldenSeeds))))

  /** The real signer, in `directory`. */
  readonly signerLocal = this.#faulty(
    SignerLocal.make({ directory: this.directory, newSeeds: () => goldenSeeds })
  )

  /** The real signer, in `directory`, whose keys are random. */
  readonly signerRandom = this.#faulty(SignerLocal.make({ directory: this.directory }))

  /** A signer in a directory of its own below this world's, as one that was restored or stolen. */
  signerLocalOf(name: string) {
    return this.#faulty(SignerLocal.make({ directory: join(this.directory, name) }))
  }

  /** Copies everything of another world into this one; answers the signer of the copy. */
  takeOver(other: LedgerWorld) {
    return Effect.sync(() => {
      for (const [key, bytes] of other.files) this.files.set(key, bytes)
      for (const { row } of other.rows.of(ledger.origin)) this.rows.push(ledger.origin, row.entry)
      cpSync(other.directory, join(this.directory, "stolen"), { recursive: true })
      return this.signerLocalOf("stolen")
    })
  }

  #faulty<E>(signer: Effect.Effect<Signer["Service"], E, Scope.Scope>) {
    return Layer.effect(
      Signer,
      Effect.map(
        signer,
        (signer) =>
          Signer.of({
            ...signer,
            sign: (request) => this.faults.hook("sign", signer.sign(request)),
            prepareKeys: (request) => this.faults.hook("prepare keys", signer.prepareKeys(request))
          })
      )
    )
  }

  /** The services on this world's ports; each call is a new process, except that they may share a signer. */
  services() {
    return this.servicesOn(Layer.succeed(ObjectStore, this.objects))
  }

  /** The same on another object store. */
  servicesOn(objects: Layer.Layer<ObjectStore>) {
    return Layer.mergeAll(Layer.fresh(KeyChanges.layer), Layer.fresh(KeyHistory.layer)).pipe(
      Layer.provideMerge(Layer.mergeAll(Layer.fresh(Publisher.layer), Layer.fresh(LedgerEvents.layer))),
      Layer.provideMerge(Layer.succeed(LedgerStore, this.store)),
      Layer.provideMerge(objects)
    )
  }

  /** Runs an effect in a new process, with the signer in memory unless another one is given. */
  run<A, E>(
    effect: Effect.Effect<
      A,
      E,
      KeyChanges | KeyHistory | LedgerEvents.LedgerEvents | Publisher.Publisher | LedgerStore | ObjectStore | Signer
    >,
    signer: Layer.Layer<Signer, SignerUnavailable> = this.signer
  ) {
    const process = Layer.provideMerge(this.services(), Layer.fresh(signer))
    return Effect.provide(effect, process, { local: true })
  }

  /** The verifier's report on the objects. */
  get report() {
    return this.reportWith({})
  }

  /** The same with more to judge by than the log's key. */
  reportWith(options: Partial<VerifyOptions>) {
    return Effect.promise(() =>
      verifyArchive(memoryReader(this.files), { keys: [parseVerifierKey(golden.keys.log.vkey)], ...options })
    )
  }

  /** Paths below the ledger's directory that begin with `prefix`, sorted. */
  paths(prefix = ""): Array<string> {
    return [...this.files.keys()].map((key) => key.split("/").slice(3).join("/")).filter((path) =>
      path.startsWith(prefix)
    ).sort()
  }

  file(path: string): Uint8Array | undefined {
    return this.files.get(ledgerKey(ledger.origin, path))
  }

  dispose(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** A world for the time of a test. */
export const ledgerWorld = Effect.acquireRelease(
  Effect.sync(() => new LedgerWorld()),
  (world) => Effect.sync(() => world.dispose())
)

const memoryReader = (files: ReadonlyMap<string, Uint8Array>): ArchiveReader => ({
  list: async function*(prefix) {
    for (const [key, bytes] of files) if (key.startsWith(prefix)) yield { key, size: bytes.length }
  },
  read: (key) => Promise.resolve(files.get(key) ?? null),
  hash: (key) => {
    const bytes = files.get(key)
    return Promise.resolve(bytes === undefined ? null : { size: bytes.length, sha256: Hex.encode(sha256(bytes)) })
  }
})
