/**
 * Why a bundle could not be made, in words for whoever asked for it, and whether another attempt may go better.
 */
import { BundleRequestError } from "@rainlogs/verify/bundle/BundleRequest"
import { MalformedError } from "@rainlogs/verify/Malformed"
import { BundleOutputError } from "@rainlogs/verify/node/BundleOutput"
import { TileMissingError } from "@rainlogs/verify/TileNodes"
import { Schema } from "effect"
import { DisclosureFailed } from "../archive/DataKeyDisclosure.ts"
import { KmsError } from "../secrets/Kms.ts"
import { categoryOf } from "../storage/FileFailure.ts"

/** Why a bundle could not be made. */
export const BundleFailureCode = Schema.Literals([
  "unpublished",
  "archive-incomplete",
  "archive-unreadable",
  "archive-changed",
  "too-many-objects",
  "keys-unavailable",
  "disk-full",
  "folder-unusable",
  "interrupted",
  "fault"
])
export type BundleFailureCode = typeof BundleFailureCode.Type

/** A bundle was not made. `detail` says what happened and why, `remedy` what to do; neither names a path. */
export class BundleFailure extends Schema.TaggedError<BundleFailure>()("BundleFailure", {
  code: BundleFailureCode,
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `${this.detail} ${this.remedy}`
  }

  get remedy(): string {
    return remedies[this.code]
  }
}

/** What to do about a failure. */
export const remedies: { readonly [code in BundleFailureCode]: string } = {
  unpublished: "Wait for the ledger's first publication, some seconds after the first window, and ask again.",
  "archive-incomplete": "Tell the operator: the archive lost a file.",
  "archive-unreadable": "Ask again. If it lasts, tell the operator: the log says what could not be read.",
  "archive-changed": "Ask again.",
  "too-many-objects": "Ask for shorter ranges, one bundle each.",
  "keys-unavailable": "Tell the operator: the log says which key cannot be read. Without disclosure no key is needed.",
  "disk-full": "Delete bundles that are not needed any more or ask for a shorter range; the operator can free space.",
  "folder-unusable": "Tell the operator: the bundles folder of the data directory cannot be written.",
  interrupted: "Tell the operator: the process ended during every attempt; the log says why. Then ask again.",
  fault: "Tell the operator: the log tells the cause."
}

/** Failures that waiting does not mend: another attempt is not made by itself. */
const lasting: ReadonlySet<BundleFailureCode> = new Set(["too-many-objects", "disk-full", "folder-unusable"])

/** Whether another attempt may go better. */
export const isWorthRetry = ({ code }: BundleFailure): boolean => !lasting.has(code)

const requestCodes: { readonly [reason in BundleRequestError["reason"]]: BundleFailureCode } = {
  unpublished: "unpublished",
  incomplete: "archive-incomplete",
  changed: "archive-changed",
  "too-many-objects": "too-many-objects"
}

const outputCodes: { readonly [category: string]: BundleFailureCode } = {
  full: "disk-full",
  unauthorised: "folder-unusable",
  rejected: "folder-unusable"
}

const outputFailure = ({ errno, cause }: BundleOutputError): BundleFailure => {
  const missing = errno === "ENOENT" || errno === "EEXIST"
  const code = missing ? "folder-unusable" : outputCodes[categoryOf(errno)] ?? "fault"
  const reason = errno ?? "unknown reason"
  return new BundleFailure({
    code,
    detail: code === "disk-full"
      ? `The disk is full: the bundle could not be written to its end (${reason}).`
      : `The bundle's file could not be written (${reason}).`,
    cause
  })
}

/** What a writer of bundles threw, as a failure. */
export const failureOf = (cause: unknown): BundleFailure => {
  if (cause instanceof BundleFailure) return cause
  if (cause instanceof BundleRequestError) {
    return new BundleFailure({ code: requestCodes[cause.reason], detail: sentence(cause.message), cause })
  }
  if (cause instanceof BundleOutputError) return outputFailure(cause)
  if (cause instanceof MalformedError || cause instanceof TileMissingError) {
    return new BundleFailure({ code: "archive-incomplete", detail: sentence(cause.message), cause })
  }
  if (cause instanceof KmsError || cause instanceof DisclosureFailed) {
    return new BundleFailure({ code: "keys-unavailable", detail: "A data key could not be disclosed.", cause })
  }
  return new BundleFailure({ code: "archive-unreadable", detail: "The archive could not be read to the end.", cause })
}

const sentence = (text: string): string => `${text}.`
