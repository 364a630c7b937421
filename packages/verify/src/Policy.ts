/**
 * `rainlogs-policy/v1` (ledger format §3): how long records are kept, how often the ledger beats, who may approve an
 * erasure. The text of a signed note, signed by the log (and, for a change, by approvers).
 */
import { encode } from "./Ascii.ts"
import * as Field from "./Field.ts"
import { joinLines, Lines } from "./Lines.ts"
import { MalformedError } from "./Malformed.ts"
import { parseVerifierKey, printVerifierKey, type VerifierKey } from "./VerifierKey.ts"

const format = "rainlogs-policy/v1"

/** Days that the records of a class are kept. */
export interface RetentionRule {
  readonly class: string
  readonly days: number
}

/** The rules in force from the entry that carries them on. */
export interface Policy {
  readonly origin: string
  /** 1 for the first policy, one more with each change. */
  readonly version: number
  /** The class `default` first, further classes sorted by name. */
  readonly retention: ReadonlyArray<RetentionRule>
  /** Days below which no rule may go. */
  readonly retentionMinimum: number
  readonly heartbeat: {
    /** Length of an epoch, ms. */
    readonly epoch: number
    /** How late a heartbeat may be, ms. */
    readonly tolerance: number
  }
  /** Longest time from an entry to its trusted time, ms. */
  readonly anchorLag: number
  /** How many approvers an erasure needs. */
  readonly eraseQuorum: number
  /** Type 1 keys. */
  readonly approvers: ReadonlyArray<VerifierKey>
}

const check = (policy: Policy): Policy => {
  const [first, ...classes] = policy.retention
  if (first?.class !== "default") throw new MalformedError(format, "the first retention rule is the class \"default\"")
  if (classes.some((rule) => rule.class === "default")) throw new MalformedError(format, "\"default\" stands twice")
  Field.ascending(format, classes, (rule) => rule.class)
  if (policy.retention.some((rule) => rule.days < policy.retentionMinimum)) {
    throw new MalformedError(format, "a retention below retention-min")
  }
  if (policy.version < 1 || policy.heartbeat.epoch < 1) {
    throw new MalformedError(format, "version and heartbeat epoch are at least 1")
  }
  const names = policy.approvers.map(printVerifierKey)
  if (new Set(names).size !== names.length) throw new MalformedError(format, "an approver stands twice")
  if (policy.approvers.some((key) => key.type !== 1)) throw new MalformedError(format, "an approver's key is of type 1")
  return policy
}

/** The note text. */
export const printPolicy = (policy: Policy): string => {
  check(policy)
  const count = (value: number) => Field.count(format, value)
  const text = joinLines([
    format,
    `origin ${Field.origin(format, policy.origin)}`,
    `version ${count(policy.version)}`,
    ...policy.retention.map((rule) => `retention ${Field.token(format, rule.class)} ${count(rule.days)}`),
    `retention-min ${count(policy.retentionMinimum)}`,
    `heartbeat ${count(policy.heartbeat.epoch)} ${count(policy.heartbeat.tolerance)}`,
    `anchor-lag ${count(policy.anchorLag)}`,
    `erase-quorum ${count(policy.eraseQuorum)}`,
    ...policy.approvers.map((key) => `approver ${printVerifierKey(key)}`)
  ])
  encode(text, format)
  return text
}

/** Reads the note text; throws {@link MalformedError}. */
export const parsePolicy = (text: string): Policy => {
  encode(text, format)
  const lines = new Lines(format, text)
  const number = (word: string | undefined) => Field.parseCount(format, word ?? "")
  const policy: Policy = {
    origin: lines.field("origin", Field.origin),
    version: lines.field("version", Field.parseCount),
    retention: lines.repeated("retention", () =>
      lines.words("retention", 2, (_, words): RetentionRule => ({
        class: Field.token(format, words[0] ?? ""),
        days: number(words[1])
      }))),
    retentionMinimum: lines.field("retention-min", Field.parseCount),
    heartbeat: lines.words("heartbeat", 2, (_, words) => ({ epoch: number(words[0]), tolerance: number(words[1]) })),
    anchorLag: lines.field("anchor-lag", Field.parseCount),
    eraseQuorum: lines.field("erase-quorum", Field.parseCount),
    approvers: lines.repeated("approver", () => lines.field("approver", (_, key) => parseVerifierKey(key)))
  }
  lines.end()
  return check(policy)
}
