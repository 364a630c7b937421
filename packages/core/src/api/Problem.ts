/**
 * What the API answers when it does not do what it was asked: RFC 9457 problems. One class is the typed error, the
 * body and the OpenAPI entry. `detail` says what happened and why, `remedy` what to do; `type` never changes.
 */
import { Schema } from "effect"
import { HttpApiError } from "effect/http-api"
import { BundleState } from "../bundle/BundleJob.ts"
import { JobState } from "../domain/LogJob.ts"
import { BlockReason } from "../domain/Source.ts"

/** The type URI of a problem: ours to promise, unlike a web address. */
const typeOf = <const Name extends string>(name: Name) => `urn:rainlogs:problem:${name}` as const

const explained = {
  detail: Schema.String.annotate({ description: "What happened, and why." }),
  remedy: Schema.String.annotate({ description: "What to do about it." })
}

/** 401: no API key, a malformed one, or one that is not known. The three are not told apart. */
export class Unauthorised extends HttpApiError.Problem<Unauthorised>()("Unauthorised", {
  type: typeOf("unauthorised"),
  status: 401,
  title: "A valid API key is needed"
}, explained) {}

/** 401: the operator's token is missing or wrong. */
export class AdminUnauthorised extends HttpApiError.Problem<AdminUnauthorised>()("AdminUnauthorised", {
  type: typeOf("admin-unauthorised"),
  status: 401,
  title: "The admin token is needed"
}, explained) {}

/** 403: no admin token is configured, so the endpoint is closed. */
export class AdministrationClosed extends HttpApiError.Problem<AdministrationClosed>()("AdministrationClosed", {
  type: typeOf("administration-closed"),
  status: 403,
  title: "Administration is closed"
}, explained) {}

/** One thing wrong with a request: where (`payload`, `query` or `params`, then the path inside it), and what. */
export const Issue = Schema.Struct({
  path: Schema.Array(Schema.Union([Schema.String, Schema.Number])),
  message: Schema.String
}).annotate({ identifier: "Issue", description: "One thing wrong with a request: where, and what." })

/** 400: the request does not fit the schema; `errors` holds every issue. */
export class InvalidRequest extends HttpApiError.Problem<InvalidRequest>()("InvalidRequest", {
  type: typeOf("invalid-request"),
  status: 400,
  title: "The request is not valid"
}, { ...explained, errors: Schema.Array(Issue) }) {}

/** 404: there is no such customer. */
export class CustomerNotFound extends HttpApiError.Problem<CustomerNotFound>()("CustomerNotFound", {
  type: typeOf("customer-not-found"),
  status: 404,
  title: "No such customer"
}, explained) {}

/** 404: the caller's customer has no such zone. */
export class ZoneNotFound extends HttpApiError.Problem<ZoneNotFound>()("ZoneNotFound", {
  type: typeOf("zone-not-found"),
  status: 404,
  title: "No such zone"
}, explained) {}

/** 404: the zone has no such source. */
export class SourceNotFound extends HttpApiError.Problem<SourceNotFound>()("SourceNotFound", {
  type: typeOf("source-not-found"),
  status: 404,
  title: "No such source"
}, explained) {}

/** 404: the caller's customer has no key of pseudonyms of such a period. */
export class PseudonymKeyNotFound extends HttpApiError.Problem<PseudonymKeyNotFound>()("PseudonymKeyNotFound", {
  type: typeOf("pseudonym-key-not-found"),
  status: 404,
  title: "No such key of pseudonyms"
}, explained) {}

/** 409: the key of pseudonyms is still needed; it was not destroyed. */
export class PseudonymKeyInUse extends HttpApiError.Problem<PseudonymKeyInUse>()("PseudonymKeyInUse", {
  type: typeOf("pseudonym-key-in-use"),
  status: 409,
  title: "The key of pseudonyms is still needed"
}, explained) {}

/** 404: the caller's customer has no such job. */
export class JobNotFound extends HttpApiError.Problem<JobNotFound>()("JobNotFound", {
  type: typeOf("job-not-found"),
  status: 404,
  title: "No such job"
}, explained) {}

/** 404: the caller's customer has no such bundle. */
export class BundleNotFound extends HttpApiError.Problem<BundleNotFound>()("BundleNotFound", {
  type: typeOf("bundle-not-found"),
  status: 404,
  title: "No such bundle"
}, explained) {}

/** 404: the API has no such path. */
export class RouteNotFound extends HttpApiError.Problem<RouteNotFound>()("RouteNotFound", {
  type: typeOf("route-not-found"),
  status: 404,
  title: "No such endpoint"
}, explained) {}

/** 404: a served ledger has no such file, or there is no such ledger. The two are not told apart. */
export class LedgerFileNotFound extends HttpApiError.Problem<LedgerFileNotFound>()("LedgerFileNotFound", {
  type: typeOf("ledger-file-not-found"),
  status: 404,
  title: "No such file of a ledger"
}, explained) {}

/** 409: the customer already archives this Cloudflare zone. */
export class ZoneAlreadyArchived extends HttpApiError.Problem<ZoneAlreadyArchived>()("ZoneAlreadyArchived", {
  type: typeOf("zone-already-archived"),
  status: 409,
  title: "The zone is already archived"
}, explained) {}

/** 409: the zone cannot be collected now. */
export class ZoneBlocked extends HttpApiError.Problem<ZoneBlocked>()("ZoneBlocked", {
  type: typeOf("zone-blocked"),
  status: 409,
  title: "The zone cannot be collected"
}, { ...explained, reason: BlockReason }) {}

/** 409: the job's window is not (or will never be) in the archive. */
export class JobNotCommitted extends HttpApiError.Problem<JobNotCommitted>()("JobNotCommitted", {
  type: typeOf("job-not-committed"),
  status: 409,
  title: "The window is not in the archive"
}, { ...explained, state: JobState }) {}

/** 404: the caller's customer has no such hold. */
export class HoldNotFound extends HttpApiError.Problem<HoldNotFound>()("HoldNotFound", {
  type: typeOf("hold-not-found"),
  status: 404,
  title: "No such hold"
}, explained) {}

/** 404: the caller's customer has no such erasure. */
export class ErasureNotFound extends HttpApiError.Problem<ErasureNotFound>()("ErasureNotFound", {
  type: typeOf("erasure-not-found"),
  status: 404,
  title: "No such erasure"
}, explained) {}

/** 409: the hold or its release is not allowed as it is; nothing was changed. */
export class HoldNotAllowed extends HttpApiError.Problem<HoldNotAllowed>()("HoldNotAllowed", {
  type: typeOf("hold-not-allowed"),
  status: 409,
  title: "The hold or its release is not allowed"
}, explained) {}

/** 409: the erasure is not allowed, now or at all; nothing was erased. */
export class ErasureNotAllowed extends HttpApiError.Problem<ErasureNotAllowed>()("ErasureNotAllowed", {
  type: typeOf("erasure-not-allowed"),
  status: 409,
  title: "The erasure is not allowed"
}, explained) {}

/** 409: the change of policy is not allowed; nothing was changed. */
export class PolicyNotAllowed extends HttpApiError.Problem<PolicyNotAllowed>()("PolicyNotAllowed", {
  type: typeOf("policy-not-allowed"),
  status: 409,
  title: "The change of policy is not allowed"
}, explained) {}

/** 410: the window's content was erased; `tombstone` is the SHA-256 of the document that says so. */
export class WindowErased extends HttpApiError.Problem<WindowErased>()("WindowErased", {
  type: typeOf("window-erased"),
  status: 410,
  title: "The window was erased"
}, { ...explained, erasure: Schema.String, tombstone: Schema.String }) {}

/** 503: the store has not let everything go yet; the erasure is not reported as done. */
export class ErasureUnfinished extends HttpApiError.Problem<ErasureUnfinished>()("ErasureUnfinished", {
  type: typeOf("erasure-unfinished"),
  status: 503,
  title: "The erasure is not finished"
}, { ...explained, erasure: Schema.String }) {}
/** 409: the bundle has no file yet, or could not be made. */
export class BundleNotReady extends HttpApiError.Problem<BundleNotReady>()("BundleNotReady", {
  type: typeOf("bundle-not-ready"),
  status: 409,
  title: "The bundle has no file"
}, { ...explained, state: BundleState }) {}

/** 410: the bundle's file was removed because its time was over. */
export class BundleExpired extends HttpApiError.Problem<BundleExpired>()("BundleExpired", {
  type: typeOf("bundle-expired"),
  status: 410,
  title: "The bundle has expired"
}, explained) {}

/** 410: the bundle's file was removed because a window in it was erased. */
export class BundleWithdrawn extends HttpApiError.Problem<BundleWithdrawn>()("BundleWithdrawn", {
  type: typeOf("bundle-withdrawn"),
  status: 410,
  title: "The bundle was withdrawn"
}, { ...explained, erasure: Schema.String }) {}

/** 422: the idempotency key was used for another request. */
export class IdempotencyKeyReused extends HttpApiError.Problem<IdempotencyKeyReused>()("IdempotencyKeyReused", {
  type: typeOf("idempotency-key-reused"),
  status: 422,
  title: "The idempotency key belongs to another request"
}, explained) {}

/** 429: the customer has `limit` bundles already. */
export class BundleLimitReached extends HttpApiError.Problem<BundleLimitReached>()("BundleLimitReached", {
  type: typeOf("bundle-limit-reached"),
  status: 429,
  title: "Too many bundles"
}, { ...explained, limit: Schema.Int }) {}

/** 500: the file of a ready bundle is missing or is not the one that was made. */
export class BundleUnreadable extends HttpApiError.Problem<BundleUnreadable>()("BundleUnreadable", {
  type: typeOf("bundle-unreadable"),
  status: 500,
  title: "The bundle's file cannot be read"
}, explained) {}

/** 408: the request body did not arrive in time. */
export class RequestTimeout extends HttpApiError.Problem<RequestTimeout>()("RequestTimeout", {
  type: typeOf("request-timeout"),
  status: 408,
  title: "The request body did not arrive in time"
}, explained) {}

/** 413: the request body is larger than `limitBytes`. */
export class RequestTooLarge extends HttpApiError.Problem<RequestTooLarge>()("RequestTooLarge", {
  type: typeOf("request-too-large"),
  status: 413,
  title: "The request is too large"
}, { ...explained, limitBytes: Schema.Int }) {}

/** 415: the request body is not JSON. */
export class UnsupportedMediaType extends HttpApiError.Problem<UnsupportedMediaType>()("UnsupportedMediaType", {
  type: typeOf("unsupported-media-type"),
  status: 415,
  title: "The request body is not JSON"
}, explained) {}

/** What can be wrong with any request body before it is read as JSON. */
export const bodyProblems = [RequestTimeout, RequestTooLarge, UnsupportedMediaType] as const

/** 500: the stored object of a committed window is missing, changed or cannot be decrypted. */
export class ObjectUnreadable extends HttpApiError.Problem<ObjectUnreadable>()("ObjectUnreadable", {
  type: typeOf("object-unreadable"),
  status: 500,
  title: "The stored object cannot be read"
}, explained) {}

/** 500: a fault in Rainlogs. `instance` is written to the log beside its cause. */
export class InternalFault extends HttpApiError.Problem<InternalFault>()("InternalFault", {
  type: typeOf("internal-fault"),
  status: 500,
  title: "Rainlogs failed"
}, explained) {}

/** 503: the database did not answer. */
export class DatabaseUnavailable extends HttpApiError.Problem<DatabaseUnavailable>()("DatabaseUnavailable", {
  type: typeOf("database-unavailable"),
  status: 503,
  title: "The database does not answer"
}, explained) {}

/** 503: keys could not be made, wrapped or read. */
export class KeysUnavailable extends HttpApiError.Problem<KeysUnavailable>()("KeysUnavailable", {
  type: typeOf("keys-unavailable"),
  status: 503,
  title: "Keys are not available"
}, explained) {}

/** 503: the object store failed or is busy. */
export class StorageUnavailable extends HttpApiError.Problem<StorageUnavailable>()("StorageUnavailable", {
  type: typeOf("storage-unavailable"),
  status: 503,
  title: "The object store is not available"
}, explained) {}

/** 503: the ledger could not be opened. */
export class LedgerUnavailable extends HttpApiError.Problem<LedgerUnavailable>()("LedgerUnavailable", {
  type: typeOf("ledger-unavailable"),
  status: 503,
  title: "The ledger is not available"
}, explained) {}
