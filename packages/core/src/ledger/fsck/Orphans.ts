/**
 * Names what lies in the store and no ledger of the database refers to.
 */
import { checkpointKey, ledgerKey, ledgersPrefix } from "@rainlogs/verify/Layout"
import { Effect, Stream } from "effect"
import type { ObjectStore } from "../../storage/ObjectStore.ts"
import type { LedgerOf } from "../LedgerStore.ts"
import type { FsckFindings } from "./FsckReport.ts"
import { fingerprint, type Referred } from "./Referred.ts"

type Objects = ObjectStore["Service"]

/** Published ledgers that the database does not know: it was lost, or is another's. */
export const unknownLedgers = (objects: Objects, all: ReadonlyArray<LedgerOf>, findings: FsckFindings) => {
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

/** Files of one kind: where they lie, how they are named, and what one that nobody refers to is. */
interface Kind {
  readonly prefix: string
  /** The first group is the name that is referred to. */
  readonly pattern: RegExp
  readonly known: ReadonlySet<number>
  readonly code: string
  readonly origin: string | null
  readonly detail: string
}

const orphans = (objects: Objects, { code, detail, known, origin, pattern, prefix }: Kind, findings: FsckFindings) =>
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

/** Documents of one ledger that no entry of it names. */
export const orphanDocuments = (objects: Objects, { origin }: LedgerOf, known: Referred, findings: FsckFindings) =>
  orphans(objects, {
    prefix: ledgerKey(origin, "event/"),
    pattern: /\/event\/([0-9a-f]{64})$/,
    known: known.documents,
    code: "ORPHAN_DOCUMENT",
    origin,
    detail: "a document of no entry: left by an interrupted append"
  }, findings)

/** Log objects of no entry; objects are named by the first 16 digits of their hash. */
export const orphanObjects = (objects: Objects, known: Pick<Referred, "objects">, findings: FsckFindings) =>
  orphans(objects, {
    prefix: "logs/",
    pattern: /-([0-9a-f]{16})\.ndjson(?:\.gz|\.zst)?$/,
    known: known.objects,
    code: "ORPHAN_OBJECT",
    origin: null,
    detail: "an object of no entry: an interrupted window left it, and adopts it when it is tried again"
  }, findings)

/** Key records of no entry. */
export const orphanKeys = (objects: Objects, known: Pick<Referred, "keys">, findings: FsckFindings) =>
  orphans(objects, {
    prefix: "keys/",
    pattern: /^keys\/([0-9a-f-]{36})$/,
    known: known.keys,
    code: "ORPHAN_KEY",
    origin: null,
    detail: "a key record of no entry: its object was never committed, or is adopted later"
  }, findings)
