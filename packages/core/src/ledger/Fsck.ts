/**
 * Checks that SQL, the object store and the signer tell one story: every tile is derived again from the rows and
 * compared, every object, document and key record looked for, and what nobody refers to is named.
 */
import { equal, hasPrefix } from "@rainlogs/verify/Bytes"
import { parseCheckpoint } from "@rainlogs/verify/Checkpoint"
import { type Entry, type ObjectEntry, parseEntry } from "@rainlogs/verify/Entry"
import { checkpointArchiveKey, checkpointKey, eventPath, ledgerKey, ledgersPrefix } from "@rainlogs/verify/Layout"
import { parseNote, verifyNote } from "@rainlogs/verify/Note"
import { parseTombstone } from "@rainlogs/verify/Tombstone"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Context, Effect, Layer, Option, Stream } from "effect"
import { createHash } from "node:crypto"
import type { DatabaseError } from "../archive/WindowLedger.ts"
import { keyRecordKey, parseKeyRecord } from "../secrets/KeyRecord.ts"
import { ObjectStore, type StorageError } from "../storage/ObjectStore.ts"
import { GrowingTree, type TileFile } from "./GrowingTree.ts"
import { type KeyChain, logKeyAt, makeKeyChains } from "./KeyChain.ts"
import { type LedgerOf, LedgerStore } from "./LedgerStore.ts"
import { RowCheck } from "./RowCheck.ts"
import { Signer, type SignerState, type SignerUnavailable } from "./Signer.ts"

/** `damage` needs a person; a `leftover` is what an interrupted step leaves, and does no harm. */
export type FsckSeverity = "damage" | "leftover"

/** One thing that is not as it should be. */
export interface FsckProblem {
  /** Null for what belongs to no ledger. */
  readonly origin: string | null
  readonly code: string
  readonly severity: FsckSeverity
  readonly key: string | null
  readonly detail: string
}

/** How much was looked at. */
export interface FsckCounts {
  readonly ledgers: number
  readonly entries: number
  readonly tiles: number
  readonly objects: number
  readonly documents: number
  readonly keys: number
}

/** What a check came to. */
export interface FsckReport {
  readonly problems: ReadonlyArray<FsckProblem>
  readonly counts: FsckCounts
}

/** `deep`: objects are read and hashed too, instead of their size being looked at. */
export interface FsckOptions {
  readonly depth: "sizes" | "deep"
  readonly onEntries?: (entries: number) => void
}

type Failure = DatabaseError | StorageError | SignerUnavailable

/** Checks a whole archive. */
export class Fsck extends Context.Service<Fsck, {
  /** Fails only when something cannot be read at all; what is wrong is in the report. */
  readonly run: (options: FsckOptions) => Effect.Effect<FsckReport, Failure>
}>()("@rainlogs/core/Fsck") {
  static readonly layer: Layer.Layer<Fsck, never, LedgerStore | ObjectStore | Signer> = Layer.effect(
    Fsck,
    Effect.suspend(() => make)
  )
}

// 52 bits of a hash or of a UUIDv8, which is the beginning of a hash: eight bytes a name instead of a hundred. Two that
// share them would hide an orphan, once in some 10 000 archives of a million objects.
const fingerprint = (hex: string): number => Number.parseInt(hex.replaceAll("-", "").slice(-13), 16)

const problemsKept = 10_000

class Findings {
  readonly problems: Array<FsckProblem> = []
  add(problem: FsckProblem): void {
    if (this.problems.length < problemsKept) this.problems.push(problem)
  }
}

/** What a ledger refers to, gathered while its rows go by. */
interface Referred {
  readonly objects: Set<number>
  readonly keys: Set<number>
  readonly documents: Set<number>
}

const make = Effect.gen(function*() {
  const ledgers = yield* LedgerStore
  const objects = yield* ObjectStore
  const signer = yield* Signer
  const keyChainOf = makeKeyChains(ledgers, objects)

  const missing = <A, E>(effect: Effect.Effect<A, E>) =>
    effect.pipe(
      Effect.map(Option.some<A>),
      Effect.catchIf(
        (error): error is Extract<E, { readonly _tag: "ObjectMissing" }> =>
          typeof error === "object" && error !== null && "_tag" in error && error._tag === "ObjectMissing",
        () => Effect.succeed(Option.none<A>())
      )
    )

  const checkTile = Effect.fnUntraced(function*(ledger: LedgerOf, file: TileFile, findings: Findings) {
    const key = ledgerKey(ledger.origin, file.path)
    const stored = yield* missing(objects.getBytes(key))
    const report = (code: string, detail: string) =>
      findings.add({ origin: ledger.origin, code, severity: "damage", key, detail })
    if (Option.isNone(stored)) report("TILE_MISSING", "the rows in SQL make this file, and it is not stored")
    else if (!equal(stored.value, file.bytes)) {
      report("TILE_DIFFERS", "the stored file is not what the rows in SQL make")
    }
    // Narrower files of the same place, from earlier publications, hold the beginning of this one.
    const [full = ""] = key.split(".p/")
    yield* objects.list(`${full}.p/`).pipe(
      Stream.filter((narrower) => narrower.key !== key),
      Stream.runForEach((narrower) =>
        Effect.gen(function*() {
          const bytes = yield* missing(objects.getBytes(narrower.key))
          if (Option.isNone(bytes) || hasPrefix(file.bytes, bytes.value)) return
          // A wider one is of entries past the signed head: the next publication looks at it.
          if (bytes.value.length > file.bytes.length && hasPrefix(bytes.value, file.bytes)) return
          const detail = "an earlier, partial file is not the beginning of what the rows in SQL make"
          findings.add({ origin: ledger.origin, code: "TILE_DIFFERS", severity: "damage", key: narrower.key, detail })
        })
      )
    )
  })

  const checkObject = Effect.fnUntraced(function*(
    entry: ObjectEntry,
    key: string,
    options: FsckOptions,
    report: (code: string, detail: string) => void,
    absent: Map<string, string>
  ) {
    const head = yield* missing(objects.head(key))
    if (Option.isNone(head)) {
      absent.set(entry.hash, key)
      return
    }
    if (head.value.size !== entry.size) {
      report("OBJECT_SIZE", `${head.value.size} bytes are stored, the entry says ${entry.size}`)
    } else if (options.depth === "deep") {
      const hash = yield* Stream.runFold(
        objects.get(key).pipe(Stream.catchTag("ObjectMissing", () => Stream.empty)),
        () => createHash("sha256"),
        (digest, bytes) => digest.update(bytes)
      )
      if (hash.digest("hex") !== entry.object) {
        report("OBJECT_HASH", "the stored object is not the one that was archived")
      }
    }
  })

  const checkKey = Effect.fnUntraced(
    function*(entry: ObjectEntry, dek: string, findings: Findings, unkeyed: Map<string, string>) {
      const key = keyRecordKey(dek)
      const bytes = yield* missing(objects.getBytes(key))
      if (Option.isNone(bytes)) {
        unkeyed.set(entry.hash, key)
        return
      }
      const report = (detail: string) =>
        findings.add({ origin: entry.origin, code: "KEY_DIFFERS", severity: "damage", key, detail })
      try {
        const record = parseKeyRecord(bytes.value)
        const fits = record.origin === entry.origin && record.job === entry.job && record.object === entry.object &&
          record.recordsRoot === entry.recordsRoot
        if (!fits) report("the key record is of another object than the entry's")
      } catch (error) {
        report(error instanceof Error ? error.message : String(error))
      }
    }
  )

  // Every row in order: its place, its chain, what it refers to.
  const checkLedger = Effect.fn("Fsck.ledger")(function*(
    ledger: LedgerOf,
    options: FsckOptions,
    findings: Findings,
    referred: Referred,
    count: { entries: number; tiles: number; objects: number; documents: number; keys: number }
  ) {
    const { origin } = ledger
    const { size } = yield* ledgers.snapshot(ledger)
    const signed = yield* signer.state(origin)
    const damage = (code: string, detail: string, key: string | null = null) =>
      findings.add({ origin, code, severity: "damage", key, detail })
    if (signed.size > size) {
      damage("SQL_BEHIND", `the signer signed ${signed.size} entries, SQL has ${size}: an old database was restored`)
    }
    const tree = new GrowingTree(0, [], [])
    const check = new RowCheck(origin, 0)
    const [absent, unkeyed, erased] = [new Map<string, string>(), new Map<string, string>(), new Set<string>()]
    let broken = false

    const addEntry = Effect.fnUntraced(function*(entry: Entry) {
      if (entry.kind !== "object") {
        referred.documents.add(fingerprint(entry.object))
        count.documents += 1
        const key = ledgerKey(origin, eventPath(entry.object))
        const bytes = yield* missing(objects.getBytes(key))
        if (Option.isNone(bytes)) return damage("DOCUMENT_MISSING", `the document of control entry ${entry.seq}`, key)
        if (createHash("sha256").update(bytes.value).digest("hex") !== entry.object) {
          return damage("DOCUMENT_DIFFERS", `the document of control entry ${entry.seq} does not hash to its name`, key)
        }
        if (entry.kind !== "tombstone") return
        const { done, targets } = parseTombstone(parseNote(bytes.value).text)
        if (done === null) return
        if (done.evidence !== null) referred.documents.add(fingerprint(done.evidence))
        for (const { hash } of targets) erased.add(hash)
        return
      }
      if (entry.params !== null) referred.documents.add(fingerprint(entry.params))
      const { dek, key } = entry
      if (key === null) return
      referred.objects.add(fingerprint(entry.object.slice(0, 16)))
      count.objects += 1
      yield* checkObject(entry, key, options, (code, detail) => damage(code, detail, key), absent)
      if (dek === null) return
      referred.keys.add(fingerprint(dek))
      count.keys += 1
      yield* checkKey(entry, dek, findings, unkeyed)
    })

    const take = (from: number, to: number) =>
      ledgers.rows(ledger, from, to).pipe(
        Stream.runForEach((row) =>
          Effect.gen(function*() {
            const problem = check.problem(row)
            if (problem !== null) {
              damage("SQL_ENTRY", problem)
              broken = true
            }
            tree.append(row.entry, row.leafHash)
            for (const file of tree.takeFull()) {
              count.tiles += 1
              if (tree.size <= signed.size) yield* checkTile(ledger, file, findings)
            }
            count.entries += 1
            if (count.entries % 1000 === 0) options.onEntries?.(count.entries)
            // What is no entry was reported; it refers to nothing.
            const entry = yield* Effect.option(Effect.try(() => parseEntry(row.entry)))
            if (Option.isSome(entry)) yield* addEntry(entry.value)
          })
        )
      )
    const keyChain = yield* keyChainOf(ledger)
    yield* take(0, Math.min(signed.size, size))
    if (tree.size === signed.size) yield* checkHead(ledger, keyChain, tree, signed, findings, count)
    yield* take(Math.min(signed.size, size), size)
    if (tree.size !== size) damage("SQL_ENTRY", `SQL gave ${tree.size} of ${size} rows`)
    if (size > signed.size && !broken) {
      const detail = `${size - signed.size} entries are not published yet; the next publication does`
      findings.add({ origin, code: "UNPUBLISHED", severity: "leftover", key: null, detail })
    }
    for (const [hash, key] of absent) {
      if (!erased.has(hash)) {
        damage("OBJECT_MISSING", "the entry's object is not stored, and no tombstone erased it", key)
      }
    }
    for (const [hash, key] of unkeyed) {
      if (!erased.has(hash)) damage("KEY_MISSING", "without its key record the object cannot be read any more", key)
    }
  })

  const checkHead = Effect.fnUntraced(function*(
    ledger: LedgerOf,
    keyChain: KeyChain,
    tree: GrowingTree,
    signed: SignerState,
    findings: Findings,
    count: { tiles: number }
  ) {
    const { origin } = ledger
    if (signed.size === 0) return
    const damage = (code: string, detail: string, key: string | null = null) =>
      findings.add({ origin, code, severity: "damage", key, detail })
    if (!equal(tree.root(), signed.root)) {
      damage("ROOT_DIFFERS", `the rows in SQL do not give the root that was signed for ${signed.size} entries`)
    }
    for (const file of tree.partial()) {
      count.tiles += 1
      yield* checkTile(ledger, file, findings)
    }
    const { log } = yield* signer.keys(origin)
    for (
      const [key, code] of [[checkpointArchiveKey(origin, signed.size), "HEAD_MISSING"], [
        checkpointKey(origin),
        "SERVED_MISSING"
      ]] as const
    ) {
      const bytes = yield* missing(objects.getBytes(key))
      if (Option.isNone(bytes)) {
        const detail = "the checkpoint was signed and is not stored; the next publication stores it"
        findings.add({ origin, code, severity: "leftover", key, detail })
        continue
      }
      try {
        const note = parseNote(bytes.value)
        const checkpoint = parseCheckpoint(note.text)
        if (verifyNote(note, [parseVerifierKey(logKeyAt(keyChain, checkpoint.size) ?? log)]).verified.length === 0) {
          damage("HEAD_UNSIGNED", "not signed by the log's key", key)
        }
        if (checkpoint.size === signed.size && !equal(checkpoint.root, signed.root)) {
          damage("HEAD_DIFFERS", "another root than the signer's", key)
        } else if (checkpoint.size > signed.size) {
          damage("SIGNER_BEHIND", `it is of ${checkpoint.size} entries, the signer knows of ${signed.size}`, key)
        } else if (checkpoint.size < signed.size) {
          const detail = "an older checkpoint is served than was signed; the next publication serves it"
          findings.add({ origin, code: "SERVED_BEHIND", severity: "leftover", key, detail })
        }
      } catch (error) {
        damage("HEAD_MALFORMED", error instanceof Error ? error.message : String(error), key)
      }
    }
  })

  // A database that was lost or is another's knows nothing of what was published.
  const unknownLedgers = (all: ReadonlyArray<LedgerOf>, findings: Findings) => {
    const known = new Set(all.map(({ origin }) => checkpointKey(origin)))
    return objects.list(`${ledgersPrefix}/`).pipe(
      Stream.filter(({ key }) => /^[^/]+\/[^/]+\/[0-9a-f]{64}\/checkpoint$/.test(key) && !known.has(key)),
      Stream.runForEach(({ key }) =>
        Effect.sync(() => {
          const detail = "the archive has a published ledger that the database does not know: rebuild the database"
          findings.add({ origin: null, code: "LEDGER_UNKNOWN", severity: "damage", key, detail })
        })
      )
    )
  }

  // What lies in the store and nobody refers to.
  const orphans = (
    prefix: string,
    pattern: RegExp,
    known: Set<number>,
    code: string,
    origin: string | null,
    detail: string,
    findings: Findings
  ) =>
    objects.list(prefix).pipe(
      Stream.runForEach(({ key }) =>
        Effect.sync(() => {
          const name = pattern.exec(key)?.[1]
          if (name === undefined) {
            findings.add({
              origin,
              code: "STRAY_FILE",
              severity: "leftover",
              key,
              detail: "a file that the layout does not know"
            })
          } else if (!known.has(fingerprint(name))) {
            findings.add({ origin, code, severity: "leftover", key, detail })
          }
        })
      )
    )

  return Fsck.of({
    run: Effect.fn("Fsck.run")(function*(options) {
      const findings = new Findings()
      const count = { entries: 0, tiles: 0, objects: 0, documents: 0, keys: 0 }
      const all = yield* ledgers.ledgers
      // Objects are named by the first 16 digits of their hash.
      const objectNames = new Set<number>()
      const keys = new Set<number>()
      for (const ledger of all) {
        const referred = { objects: objectNames, keys, documents: new Set<number>() }
        yield* checkLedger(ledger, options, findings, referred, count)
        yield* orphans(
          ledgerKey(ledger.origin, "event/"),
          /\/event\/([0-9a-f]{64})$/,
          referred.documents,
          "ORPHAN_DOCUMENT",
          ledger.origin,
          "a document of no entry: left by an interrupted append",
          findings
        )
      }
      yield* unknownLedgers(all, findings)
      yield* orphans(
        "logs/",
        /-([0-9a-f]{16})\.ndjson(?:\.gz|\.zst)?$/,
        objectNames,
        "ORPHAN_OBJECT",
        null,
        "an object of no entry: an interrupted window left it, and adopts it when it is tried again",
        findings
      )
      yield* orphans(
        "keys/",
        /^keys\/([0-9a-f-]{36})$/,
        keys,
        "ORPHAN_KEY",
        null,
        "a key record of no entry: its object was never committed, or is adopted later",
        findings
      )
      return { problems: findings.problems, counts: { ledgers: all.length, ...count } }
    })
  })
})
