/**
 * A document that approvers signed, as it is chained: the log's own line first, then the lines of known approvers. Only
 * lines that prove something are kept.
 */
import { type Note, parseNote, printNote } from "@rainlogs/verify/Note"
import { parseVerifierKey, type VerifierKey } from "@rainlogs/verify/VerifierKey"
import { Effect } from "effect"
import type { Origin } from "../domain/Customer.ts"
import type { Signer } from "./Signer.ts"

/** The note as the log chains it, and its bytes. `fail` makes the error of a note that cannot be printed. */
export const signWithApprovals = Effect.fnUntraced(function*<E>(
  signer: Signer["Service"],
  origin: Origin,
  submitted: Note,
  approvers: ReadonlyArray<VerifierKey>,
  fail: (detail: string) => E
) {
  const log = parseVerifierKey((yield* signer.keys(origin)).log)
  const lines = submitted.signatures.filter((line) =>
    line.name !== log.name && approvers.some((key) => key.name === line.name && key.id === line.id)
  )
  const signed = parseNote(yield* signer.signDocument(origin, submitted.text))
  return yield* Effect.try({
    try: () => printNote({ text: signed.text, signatures: [...signed.signatures, ...lines] }),
    catch: (error) => fail(String(error))
  })
})
