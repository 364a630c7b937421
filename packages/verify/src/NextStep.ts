/**
 * What to do about a finding, by its code: the line that a person reads after what was expected and what was found.
 */

const fromBackup = "restore the file from another replica or a backup and verify again; keep this copy as evidence"
const askLog = "ask whoever runs the archive, and compare with another copy: rainlogs-verify compare A B --key VKEY"
const alarm = "keep this copy unchanged: it is evidence. Do not let the archive be written to until it is understood"

const steps: Readonly<Record<string, string>> = {
  ANCHOR_INVALID: fromBackup,
  ANCHOR_LAG_EXCEEDED: alarm,
  ANCHOR_LATE: "the declared outage of the anchors explains it only if you believe it: ask for the incident's record",
  ANCHOR_MISMATCH: alarm,
  ANCHOR_MISSING: fromBackup,
  ANCHOR_NEEDS_RENEWAL: "anchor the newest checkpoint with a timestamp authority whose certificates are valid",
  ANCHOR_OVERDUE: "see why the anchors stopped: the appliance's log and its metric anchor_debt_seconds say",
  ANCHOR_UNTRUSTED: "pass the authority's root with --tsa-root FILE, or the witness's key with --key",
  BAD_SIGNATURE: alarm,
  CHAIN_BROKEN: askLog,
  CHAIN_FORK: askLog,
  CHECKPOINT_MISSING: fromBackup,
  COVERAGE_GAP: "the logs of this stretch were not collected and nobody said so: ask for the incident's record",
  COVERAGE_PENDING: "verify again once the source cannot be read any more; the stretch may still be collected",
  DEK_COMMITMENT_MISMATCH: "do not believe the plaintext: ask for the key that the object was encrypted with",
  DELETION_INCOMPLETE: "ask for the storage's record of this erasure, and verify again once it is reported done",
  EQUIVOCATION: `${alarm}. rainlogs-verify compare A B --out FILE writes a portable proof`,
  ERASURE_NOT_EXECUTED: "erase the object from this replica, or find out why it is still there",
  GENESIS_MISMATCH: "check that the key is that of this archive",
  HEARTBEAT_GAP: "ask what happened in this hour: nobody declared that the service was down",
  HOLD_VIOLATION: alarm,
  KEYS_UNAUTHORISED: alarm,
  KEY_NOT_IN_FORCE: alarm,
  LEAF_NOT_IN_TREE: fromBackup,
  MALFORMED_ANCHOR: fromBackup,
  MALFORMED_CHECKPOINT: fromBackup,
  MALFORMED_DOCUMENT: fromBackup,
  MALFORMED_ENTRY: fromBackup,
  NOTHING_VERIFIED:
    "check the path: the archive's root is the directory that holds \"logs\" and \"integrity\"; check that a URL is " +
    "of the ledger whose key was given",
  NO_ANCHOR:
    "configure an anchor (see the documentation on anchors), or pass --tsa-root, --policy or a witness's --key",
  OBJECTS_NOT_CHECKED: "verify a copy that holds the objects, or a bundle of the windows you need",
  OBJECT_HASH_MISMATCH: fromBackup,
  POLICY_UNAUTHORISED: alarm,
  RELEASE_UNAUTHORISED: alarm,
  RETENTION_VIOLATION: alarm,
  REVOKED_KEY: "believe only a copy whose heads and documents are signed by the newer key",
  ROOT_MISMATCH: alarm,
  SEQ_GAP: fromBackup,
  STALE: "get a newer copy or a newer anchor; if there is none, entries may have been cut off",
  TILE_MISMATCH: fromBackup,
  TILE_MISSING: fromBackup,
  TIME_AFTER_ANCHOR: alarm,
  TIME_BEFORE_BEACON: alarm,
  TOMBSTONE_TARGET_MISMATCH: alarm,
  TOMBSTONE_UNAUTHORISED: alarm,
  TRUNCATED: fromBackup,
  TRUST_ON_FIRST_USE: "get the key from somewhere else than the archive and pass it with --key",
  UNAUTHORISED_DELETION: fromBackup,
  UNKNOWN_KEY: "check that the key is that of this archive; the key of a later signer needs its change of keys",
  UNSIGNED: askLog,
  WITNESS_QUORUM_MISSED: "ask the missing witnesses, or verify against another policy"
}

/** What to do about findings of this code; null where there is nothing to do. */
export const nextStep = (code: string): string | null => steps[code] ?? null
