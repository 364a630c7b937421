/**
 * Goes through the rows of one ledger in SQL and compares them with the store and the signer.
 */
import { type Entry, type ObjectEntry, parseEntry } from "@rainlogs/verify/Entry"
import { eventPath, ledgerKey } from "@rainlogs/verify/Layout"
import { parseNote } from "@rainlogs/verify/Note"
import { parseTombstone } from "@rainlogs/verify/Tombstone"
import { Effect, Option, Stream } from "effect"
import { createHash } from "node:crypto"
import { keyRecordKey } from "../../secrets/KeyRecord.ts"
import { GrowingTree } from "../GrowingTree.ts"
import type { makeKeyChains } from "../KeyChain.ts"
import type { LedgerOf, LedgerStore } from "../LedgerStore.ts"
import { RowCheck } from "../RowCheck.ts"
import type { FsckCounting, FsckFindings } from "./FsckReport.ts"
import { checkHead, type HeadSource } from "./Heads.ts"
import { checkKey, checkObject } from "./Objects.ts"
import { fingerprint, type Referred } from "./Referred.ts"
import { ifStored } from "./Stored.ts"
import { checkTile } from "./Tiles.ts"

/** What the rows of a ledger are compared with. */
export interface LedgerRooms extends HeadSource {
  readonly ledgers: LedgerStore["Service"]
  readonly keyChainOf: ReturnType<typeof makeKeyChains>
}

/** `deep`: objects are read and hashed too, instead of their size being looked at. */
export interface FsckOptions {
  readonly depth: "sizes" | "deep"
  readonly onEntries?: (entries: number) => void
}

/** Goes through every row in order: its place, its chain, what it refers to. */
export const checkLedger = Effect.fn("Fsck.ledger")(function*(
  rooms: LedgerRooms,
  ledger: LedgerOf,
  options: FsckOptions,
  findings: FsckFindings,
  referred: Referred,
  count: FsckCounting
) {
  const { ledgers, objects, signer } = rooms
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
  const [absent, unkeyed, erased] = [new Map<string, string>(), new Map<string, string>(), new Map<string, string>()]
  let broken = false

  const addEntry = Effect.fnUntraced(function*(entry: Entry) {
    if (entry.kind !== "object") {
      referred.documents.add(fingerprint(entry.object))
      count.documents += 1
      const key = ledgerKey(origin, eventPath(entry.object))
      const bytes = yield* ifStored(objects.getBytes(key))
      if (Option.isNone(bytes)) return damage("DOCUMENT_MISSING", `the document of control entry ${entry.seq}`, key)
      if (createHash("sha256").update(bytes.value).digest("hex") !== entry.object) {
        return damage("DOCUMENT_DIFFERS", `the document of control entry ${entry.seq} does not hash to its name`, key)
      }
      if (entry.kind !== "tombstone") return
      const { done, method, targets } = parseTombstone(parseNote(bytes.value).text)
      if (done === null) return
      if (done.evidence !== null) referred.documents.add(fingerprint(done.evidence))
      for (const { hash } of targets) erased.set(hash, method)
      return
    }
    if (entry.params !== null) referred.documents.add(fingerprint(entry.params))
    const { dek, key } = entry
    if (key === null) return
    referred.objects.add(fingerprint(entry.object.slice(0, 16)))
    count.objects += 1
    yield* checkObject(objects, entry, key, options.depth, (code, detail) => damage(code, detail, key), absent)
    if (dek === null) return
    referred.keys.add(fingerprint(dek))
    count.keys += 1
    yield* checkKey(objects, entry, dek, findings, unkeyed)
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
            if (tree.size <= signed.size) yield* checkTile(objects, ledger, file, findings)
          }
          count.entries += 1
          if (count.entries % 1000 === 0) options.onEntries?.(count.entries)
          // What is no entry was reported; it refers to nothing.
          const entry = yield* Effect.option(Effect.try(() => parseEntry(row.entry)))
          if (Option.isSome(entry)) yield* addEntry(entry.value)
        })
      )
    )
  const keyChain = yield* rooms.keyChainOf(ledger)
  yield* take(0, Math.min(signed.size, size))
  if (tree.size === signed.size) yield* checkHead(rooms, ledger, keyChain, tree, signed, findings, count)
  yield* take(Math.min(signed.size, size), size)
  if (tree.size !== size) damage("SQL_ENTRY", `SQL gave ${tree.size} of ${size} rows`)
  if (size > signed.size && !broken) {
    const detail = `${size - signed.size} entries are not published yet; the next publication does`
    findings.add({ origin, code: "UNPUBLISHED", severity: "leftover", key: null, detail })
  }
  // What an erasure reported as gone may have come back from a backup; the tombstones come after what they name.
  const remains = (entry: ObjectEntry) => {
    const method = erased.get(entry.hash)
    if (method === undefined) return
    const back = (key: string) =>
      damage("ERASURE_NOT_EXECUTED", "a tombstone says that it was erased, and it is stored", key)
    if (method === "delete" && entry.key !== null && !absent.has(entry.hash)) back(entry.key)
    if (entry.dek !== null && !unkeyed.has(entry.hash)) back(keyRecordKey(entry.dek))
  }
  if (erased.size > 0) {
    yield* ledgers.rows(ledger, 0, size).pipe(
      Stream.mapEffect((row) => Effect.option(Effect.try(() => parseEntry(row.entry)))),
      Stream.runForEach((entry) =>
        Effect.sync(() => {
          if (Option.isSome(entry) && entry.value.kind === "object") remains(entry.value)
        })
      )
    )
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
