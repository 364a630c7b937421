/**
 * Compares stored tiles and entry bundles with what the rows in SQL make.
 */
import { equal, hasPrefix } from "@rainlogs/verify/Bytes"
import { ledgerKey } from "@rainlogs/verify/Layout"
import { Effect, Option, Stream } from "effect"
import type { ObjectStore } from "../../storage/ObjectStore.ts"
import type { TileFile } from "../GrowingTree.ts"
import type { LedgerOf } from "../LedgerStore.ts"
import type { FsckFindings } from "./FsckReport.ts"
import { ifStored } from "./Stored.ts"

/** Compares one file, and the narrower ones of its place that earlier publications left. */
export const checkTile = Effect.fnUntraced(function*(
  objects: ObjectStore["Service"],
  ledger: LedgerOf,
  file: TileFile,
  findings: FsckFindings
) {
  const key = ledgerKey(ledger.origin, file.path)
  const stored = yield* ifStored(objects.getBytes(key))
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
        const bytes = yield* ifStored(objects.getBytes(narrower.key))
        if (Option.isNone(bytes) || hasPrefix(file.bytes, bytes.value)) return
        // A wider one is of entries past the signed head: the next publication looks at it.
        if (bytes.value.length > file.bytes.length && hasPrefix(bytes.value, file.bytes)) return
        const detail = "an earlier, partial file is not the beginning of what the rows in SQL make"
        findings.add({ origin: ledger.origin, code: "TILE_DIFFERS", severity: "damage", key: narrower.key, detail })
      })
    )
  )
})
