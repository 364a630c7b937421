/**
 * Compares the rows in SQL, the stored checkpoints and the signer at the head that was signed last.
 */
import { equal } from "@rainlogs/verify/Bytes"
import { parseCheckpoint } from "@rainlogs/verify/Checkpoint"
import { checkpointArchiveKey, checkpointKey } from "@rainlogs/verify/Layout"
import { parseNote, verifyNote } from "@rainlogs/verify/Note"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Effect, Option } from "effect"
import type { ObjectStore } from "../../storage/ObjectStore.ts"
import type { GrowingTree } from "../GrowingTree.ts"
import { type KeyChain, logKeyAt } from "../KeyChain.ts"
import type { LedgerOf } from "../LedgerStore.ts"
import type { Signer, SignerState } from "../Signer.ts"
import type { FsckCounting, FsckFindings } from "./FsckReport.ts"
import { ifStored } from "./Stored.ts"
import { checkTile } from "./Tiles.ts"

/** What a head is compared with. */
export interface HeadSource {
  readonly objects: ObjectStore["Service"]
  readonly signer: Signer["Service"]
}

/** `tree` has the rows up to the signed size. */
export const checkHead = Effect.fnUntraced(function*(
  { objects, signer }: HeadSource,
  ledger: LedgerOf,
  keyChain: KeyChain,
  tree: GrowingTree,
  signed: SignerState,
  findings: FsckFindings,
  count: Pick<FsckCounting, "tiles">
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
    yield* checkTile(objects, ledger, file, findings)
  }
  const { log } = yield* signer.keys(origin)
  for (
    const [key, code] of [[checkpointArchiveKey(origin, signed.size), "HEAD_MISSING"], [
      checkpointKey(origin),
      "SERVED_MISSING"
    ]] as const
  ) {
    const bytes = yield* ifStored(objects.getBytes(key))
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
