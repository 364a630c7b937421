/**
 * The tamper catalogue, objects and erasures: what was archived is changed, taken away, or erased against the rules.
 */
import * as Bytes from "../Bytes.ts"
import { printHold } from "../Hold.ts"
import { printNote, signNote } from "../Note.ts"
import { type ArchiveBuilder, minute, origin, signer, start, zone } from "./ArchiveBuilder.ts"
import {
  anchor,
  approvers,
  day,
  days,
  encrypted,
  erase,
  type ErasureDraft,
  secondLog,
  targetOf,
  windowOf
} from "./EvidenceArchive.ts"
import { type Evidence, onFiles, type TamperCase } from "./TamperCase.ts"

const end = start + days * day + 10 * minute
const edit = (builder: ArchiveBuilder, key: string | null, change: (bytes: Uint8Array) => Uint8Array): void => {
  const bytes = key === null ? undefined : builder.files.get(key)
  if (key === null || bytes === undefined) throw new Error("the object to change is not there")
  builder.files.set(key, change(bytes))
}
const remove = (builder: ArchiveBuilder, number: number): void => {
  const { key } = windowOf(builder, number)
  if (key !== null) builder.files.delete(key)
}

// The next day's end of the archive, with an erasure in it, published and anchored like every other day.
const withErasure =
  (draft: Partial<ErasureDraft> & { readonly number: number }, further: Further = {}) =>
  (builder: ArchiveBuilder): ArchiveBuilder => {
    const target = further.target?.(builder) ?? targetOf(windowOf(builder, draft.number))
    further.before?.(builder)
    erase(builder, {
      target,
      reason: "gdpr-art17",
      signers: approvers,
      announced: end,
      executed: end + minute,
      ...draft
    })
    further.after?.(builder)
    const size = builder.publish().entries.length
    return anchor(builder, size, end + 3 * minute).publish()
  }

interface Further {
  readonly target?: (builder: ArchiveBuilder) => ErasureDraft["target"]
  readonly before?: (builder: ArchiveBuilder) => unknown
  readonly after?: (builder: ArchiveBuilder) => unknown
}

const placeHold = (builder: ArchiveBuilder): ArchiveBuilder => {
  const from = start + 9 * day
  const scopes = [{ chain: zone, from, to: from + day }]
  const text = printHold({
    origin,
    id: "01980000-0000-7000-8000-f00000000999",
    scopes,
    basis: "lawsuit 8",
    issued: end - minute
  })
  return builder.event("hold", printNote(signNote(text, [secondLog])), end - minute)
}

/** Cases about stored objects and their erasure. */
export const objectCases: ReadonlyArray<TamperCase> = [
  {
    id: "obj-bitflip",
    attacker: "storage",
    mutation: "flip any single bit of any archived object",
    expect: ["OBJECT_HASH_MISMATCH"],
    exit: 1,
    attempts: (evidence: Evidence) => {
      const bytes = evidence.copy().files.get(windowOf(evidence.copy(), 50).key ?? "") ?? new Uint8Array(0)
      const bits = [...bytes.keys()].flatMap((at) => at % 12 === 0 ? [[at, at % 8] as const] : [])
      return bits.map(([at, bit]) =>
        onFiles(evidence, (builder) => {
          const flip = (object: Uint8Array) => object.map((byte, index) => index === at ? byte ^ (1 << bit) : byte)
          edit(builder, windowOf(builder, 50).key, flip)
        }, `byte ${at}, bit ${bit}`)
      )
    }
  },
  {
    id: "obj-append-gzip-member",
    attacker: "storage",
    mutation: "append a second gzip member or trailing bytes to a stored object",
    expect: ["OBJECT_HASH_MISMATCH"],
    exit: 1,
    attempts: (evidence) =>
      [Uint8Array.of(10), Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0)].map((tail) =>
        onFiles(
          evidence,
          (builder) => edit(builder, windowOf(builder, 50).key, (bytes) => Bytes.concat(bytes, tail)),
          `${tail.length} bytes`
        )
      )
  },
  {
    id: "obj-missing",
    attacker: "storage",
    mutation: "remove an object that has no tombstone",
    expect: ["UNAUTHORISED_DELETION"],
    exit: 1,
    attempts: (evidence) => [onFiles(evidence, (builder) => remove(builder, 50))]
  },
  {
    id: "obj-missing-authorised",
    attacker: "storage",
    mutation: "remove an object with intent and done tombstones that meet the policy",
    expect: ["DELETED_AUTHORISED"],
    exit: 0,
    attempts: (evidence) => [onFiles(evidence, withErasure({ number: 9 }))]
  },
  {
    id: "obj-missing-intent-only",
    attacker: "storage",
    mutation: "intent tombstone present, done absent, object absent",
    expect: ["DELETION_INCOMPLETE"],
    exit: 2,
    attempts: (evidence) => [onFiles(evidence, withErasure({ number: 9, phases: "intent" }))]
  },
  {
    id: "obj-present-after-done",
    attacker: "insider",
    mutation: "done tombstone present but object still retrievable",
    expect: ["ERASURE_NOT_EXECUTED"],
    exit: 1,
    attempts: (evidence) => [
      onFiles(
        evidence,
        withErasure({ number: 9 }, {
          after: (builder) => {
            const { key } = windowOf(builder, 9)
            const kept = evidence.copy().files.get(key ?? "")
            if (key !== null && kept !== undefined) builder.files.set(key, kept)
          }
        })
      )
    ]
  },
  {
    id: "tomb-early-retention",
    attacker: "insider",
    mutation: "reason retention, but executed before window end plus the retention in force",
    expect: ["RETENTION_VIOLATION"],
    exit: 1,
    attempts: (evidence) => [
      onFiles(evidence, withErasure({ number: 50, reason: "retention", signers: [secondLog] }))
    ]
  },
  {
    id: "tomb-no-quorum",
    attacker: "insider",
    mutation: "remove one approver's signature from the gdpr-art17 tombstone",
    expect: ["TOMBSTONE_UNAUTHORISED"],
    exit: 1,
    attempts: (evidence) => [
      onFiles(evidence, withErasure({ number: 9, signers: [approvers[0]] }), "one approver"),
      onFiles(evidence, withErasure({ number: 9, signers: [approvers[0], approvers[0]] }), "one approver twice"),
      onFiles(evidence, withErasure({ number: 9, signers: [secondLog] }), "the log alone")
    ]
  },
  {
    id: "tomb-approver-unknown",
    attacker: "insider",
    mutation: "sign the tombstone by a key that is not in the policy in force",
    expect: ["TOMBSTONE_UNAUTHORISED"],
    exit: 1,
    attempts: (evidence) => [
      onFiles(evidence, withErasure({ number: 9, signers: [approvers[0], signer("approver.example.eu/eve", 1, 77)] }))
    ]
  },
  {
    id: "tomb-target-mismatch",
    attacker: "insider",
    mutation: "tombstone names the right seq but another object or chain hash",
    expect: ["TOMBSTONE_TARGET_MISMATCH"],
    exit: 1,
    attempts: (evidence) =>
      (["object", "hash"] as const).map((part) =>
        onFiles(
          evidence,
          withErasure({ number: 9 }, {
            target: (builder) => ({ ...targetOf(windowOf(builder, 9)), [part]: "ab".repeat(32) })
          }),
          part
        )
      )
  },
  {
    id: "tomb-under-hold",
    attacker: "insider",
    mutation: "erasure executed while a legal hold is active",
    expect: ["HOLD_VIOLATION"],
    exit: 1,
    attempts: (evidence) => [onFiles(evidence, withErasure({ number: 9 }, { before: placeHold }))]
  },
  {
    id: "dek-swap",
    attacker: "insider",
    mutation: "disclose another data key than the one the object was encrypted with",
    expect: ["DEK_COMMITMENT_MISMATCH"],
    exit: 1,
    attempts: (evidence) => [disclosing(evidence, encrypted.dataKey.map((byte) => byte ^ 1))]
  }
]

/** Verifies the archive with a disclosed key of its encrypted object. */
export const disclosing = (evidence: Evidence, dataKey: Uint8Array) => {
  const { files } = evidence.copy()
  const readStart = (key: string, length: number) => Promise.resolve(files.get(key)?.subarray(0, length) ?? null)
  const disclosure = { keys: new Map([[encrypted.job, dataKey]]), readStart }
  return onFiles(evidence, () => undefined, "", { disclosure })
}
