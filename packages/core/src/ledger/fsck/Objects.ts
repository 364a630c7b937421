/**
 * Compares stored log objects and their key records with the entries of the ledger.
 */
import type { ObjectEntry } from "@rainlogs/verify/Entry"
import { Effect, Option, Stream } from "effect"
import { createHash } from "node:crypto"
import { keyRecordKey, parseKeyRecord } from "../../secrets/KeyRecord.ts"
import type { ObjectStore } from "../../storage/ObjectStore.ts"
import type { FsckFindings } from "./FsckReport.ts"
import { ifStored } from "./Stored.ts"

/** Looks for an entry's object, and reads and hashes it if `deep`. One that is not there goes to `absent`. */
export const checkObject = Effect.fnUntraced(function*(
  objects: ObjectStore["Service"],
  entry: ObjectEntry,
  key: string,
  depth: "sizes" | "deep",
  report: (code: string, detail: string) => void,
  absent: Map<string, string>
) {
  const head = yield* ifStored(objects.head(key))
  if (Option.isNone(head)) {
    absent.set(entry.hash, key)
    return
  }
  if (head.value.size !== entry.size) {
    report("OBJECT_SIZE", `${head.value.size} bytes are stored, the entry says ${entry.size}`)
  } else if (depth === "deep") {
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

/** Reads the key record of an entry's object. One that is not there goes to `unkeyed`. */
export const checkKey = Effect.fnUntraced(
  function*(
    objects: ObjectStore["Service"],
    entry: ObjectEntry,
    dek: string,
    findings: FsckFindings,
    unkeyed: Map<string, string>
  ) {
    const key = keyRecordKey(dek)
    const bytes = yield* ifStored(objects.getBytes(key))
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
