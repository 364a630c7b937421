/**
 * A document of the ledger as the API takes and gives it: its text, with the signature lines of approvers once they
 * have signed.
 */
import { Schema } from "effect"

/** The text of a draft or of a signed note. */
export const LedgerDocument = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(65_000)).annotate({
  description: "The document's text; after signing, with a blank line and the signature lines (C2SP signed note)."
})

/** A reference to the legal basis: one line of ASCII that the ledger keeps for ever. */
export const Basis = Schema.String.check(
  Schema.isMaxLength(500),
  Schema.isPattern(/^[!-~](?:[ -~]*[!-~])?$/u, { expected: "one line of ASCII without space at either end" })
).annotate({ description: "Reference to the legal basis. It stays in the ledger: no personal data, a case number." })

/** A document to submit. */
export const SubmittedDocument = Schema.Struct({ document: LedgerDocument }).annotate({
  identifier: "SubmittedDocument"
})
