/**
 * Brings every error an attempt can end with into the one form that `decideFailure` decides on.
 */
import type { CollectionError } from "../collect/CollectionError.ts"
import type { PipelineFailure } from "../pipeline/PipelineError.ts"
import type { KmsError } from "../secrets/Kms.ts"
import type { ObjectExists, ObjectMissing, StorageError } from "../storage/ObjectStore.ts"
import type { Failure } from "./FailureDecision.ts"
import type { SealError } from "./SealError.ts"
import type { DatabaseError } from "./WindowLedger.ts"

/** The errors of one attempt, but for a lost lease. */
export type AttemptError =
  | CollectionError
  | SealError
  | PipelineFailure
  | StorageError
  | ObjectExists
  | ObjectMissing
  | KmsError
  | DatabaseError

/** The failure behind an error; details never carry log content or credentials. */
export const failureOf = (error: AttemptError): Failure => {
  switch (error._tag) {
    case "CollectionError":
      return error
    case "SealError":
      return { category: error.category, code: error.code, detail: error.message, remedy: null, retryAfterMs: null }
    case "PipelineError":
      return {
        category: "rejected",
        code: `pipeline-${error.code}`,
        detail: `the pipeline cannot be applied, so nothing of the window is archived: ${error.message}`,
        remedy: "Mend the rules: rainlogs pipeline test shows what they do with a sample.",
        retryAfterMs: null
      }
    case "PseudonymKeyDestroyed":
      return {
        category: "rejected",
        code: "pseudonym-key-destroyed",
        detail: error.message,
        remedy: "Set a pipeline without pseudonyms of that period.",
        retryAfterMs: null
      }
    case "StorageError":
      return {
        category: error.category === "full" ? "storage-full" : "storage",
        code: `storage-${error.category}`,
        detail: `${error.operation} ${error.key}: ${error.detail}`,
        remedy: null,
        retryAfterMs: null
      }
    case "ObjectExists":
    case "ObjectMissing":
      return { category: "storage", code: error._tag, detail: error.key, remedy: null, retryAfterMs: null }
    case "KmsError":
      return {
        category: "internal",
        code: "kms",
        detail: `${error.operation} with key ${error.kek}: ${error.detail}`,
        remedy: null,
        retryAfterMs: null
      }
    case "DatabaseError":
      return { category: "internal", code: "database", detail: error.detail, remedy: null, retryAfterMs: null }
  }
}

/** The failure behind a defect: its kind only, for its message may hold anything. */
export const defectFailure = (defect: unknown): Failure => ({
  category: "internal",
  code: "defect",
  detail: `${defect instanceof Error ? defect.name : typeof defect}: a bug in Rainlogs; the log has the details`,
  remedy: null,
  retryAfterMs: null
})
