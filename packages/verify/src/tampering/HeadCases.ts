/**
 * The tamper catalogue, heads: signatures, keys and checkpoints are stripped, forged, doubled or taken from elsewhere.
 */
import * as Hex from "../Hex.ts"
import { printKeys } from "../Keys.ts"
import { checkpointKey } from "../Layout.ts"
import { verifyConsistency } from "../Merkle.ts"
import { parseNote, printNote, signNote } from "../Note.ts"
import { makeVerifierKey } from "../VerifierKey.ts"
import { type ArchiveBuilder, log, origin, signer, start } from "./ArchiveBuilder.ts"
import { checkpointBody, day, rootOf, secondClock, secondLog, witness } from "./EvidenceArchive.ts"
import { onFiles, onReader, type TamperCase } from "./TamperCase.ts"

const served = checkpointKey(origin)
const bytesAt = (builder: ArchiveBuilder, key: string): Uint8Array => {
  const bytes = builder.files.get(key)
  if (bytes === undefined) throw new Error(`no ${key}`)
  return bytes
}
const headKeys = (builder: ArchiveBuilder): Array<string> =>
  [...builder.files.keys()].filter((key) => key === served || key.includes("/checkpoint.d/"))
const utf8 = new TextEncoder()

// Every head, with its signatures replaced.
const resign = (builder: ArchiveBuilder, edit: (note: Uint8Array) => Uint8Array): void => {
  for (const key of headKeys(builder)) builder.files.set(key, edit(bytesAt(builder, key)))
}

// A head over other entries, signed by the log in force at its size.
const otherHead = (builder: ArchiveBuilder, size: number): Uint8Array =>
  builder.signRoot(size, rootOf(builder.entries.slice(0, size - 1))).immutable

// Points of small order: the identity, and one of order 4 (RFC 8032 §5.1.7; C2SP CCTV ed25519).
const smallOrder = [
  "0100000000000000000000000000000000000000000000000000000000000000",
  "0000000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
].map((hex) => Hex.decode(hex, 32))

const weakKey = (point: Uint8Array) => (builder: ArchiveBuilder): void => {
  const key = makeVerifierKey(origin, 1, point)
  const signature = new Uint8Array(64)
  signature.set(smallOrder[0] ?? new Uint8Array(32))
  resign(
    builder,
    (note) => printNote({ text: parseNote(note).text, signatures: [{ name: key.name, id: key.id, signature }] })
  )
}

// The log's first key signs the old history again, after it was revoked and everything newer was taken away.
const revoked = (builder: ArchiveBuilder): void => {
  const size = builder.entries.findIndex(({ kind }) => kind === "keys")
  for (const key of builder.files.keys()) {
    if (/\/(tile|checkpoint\.d|checkpoint|anchor)(\/|$)/.test(key)) builder.files.delete(key)
  }
  const last = builder.entries[size - 1]
  if (last?.kind !== "object") throw new Error("the day's window comes before the change of keys")
  builder.entries.length = size
  const forged = { ...last, records: last.records + 1 }
  builder.entries[size - 1] = forged
  builder.relink().publish()
}

const revocation = printNote(signNote(
  printKeys({
    origin,
    version: 2,
    previous: log.key,
    log: secondLog.key,
    clock: secondClock.key,
    revoked: [{ id: log.key.id, since: start + 30 * day, reason: "compromised" }]
  }),
  [log, secondLog]
))

/** Cases about checkpoints, signatures and keys. */
export const headCases: ReadonlyArray<TamperCase> = [
  {
    id: "empty",
    attacker: "storage",
    mutation: "an archive with no checkpoint and no anchor",
    expect: ["NOTHING_VERIFIED"],
    exit: 2,
    attempts: (evidence) => [
      onFiles(evidence, (builder) => {
        for (const key of builder.files.keys()) {
          if (key === served || /\/(checkpoint\.d|anchor)\//.test(key)) builder.files.delete(key)
        }
      }, "no heads"),
      onFiles(evidence, (builder) => builder.files.clear(), "no files")
    ]
  },
  {
    id: "unsigned",
    attacker: "storage",
    mutation: "strip all signatures",
    expect: ["UNSIGNED"],
    exit: 1,
    attempts: (evidence) => [
      onFiles(evidence, (builder) => resign(builder, (note) => utf8.encode(parseNote(note).text)), "body alone"),
      onFiles(evidence, (builder) => resign(builder, (note) => utf8.encode(`${parseNote(note).text}\n`)), "blank line"),
      onFiles(evidence, (builder) =>
        resign(builder, (note) => {
          const { text } = parseNote(note)
          const stranger = signer("stranger.example.org", 1, 70)
          return printNote({ text, signatures: signNote(text, [stranger]).signatures })
        }), "a stranger's signature")
    ]
  },
  {
    id: "wrong-key",
    attacker: "storage",
    mutation: "verify with another tenant's key",
    expect: ["UNKNOWN_KEY"],
    exit: 2,
    attempts: (evidence) => {
      const tenant = signer(origin.replace("6f1c", "7a2d"), 1, 71)
      return [onFiles(evidence, () => undefined, "", { keys: [tenant.key] })]
    }
  },
  {
    id: "sig-known-bad",
    attacker: "storage",
    mutation: "a corrupt signature under a known name and id, next to a valid one",
    expect: ["BAD_SIGNATURE"],
    exit: 1,
    attempts: (evidence) =>
      (["before", "after"] as const).map((place) =>
        onFiles(evidence, (builder) => {
          const { signatures, text } = parseNote(bytesAt(builder, served))
          const own = signatures.filter(({ name }) => name === origin)
          const bad = own.map((line) => ({
            ...line,
            signature: line.signature.map((byte, at) => at === 9 ? byte ^ 1 : byte)
          }))
          builder.files.set(
            served,
            printNote({ text, signatures: place === "before" ? [...bad, ...signatures] : [...signatures, ...bad] })
          )
        }, place)
      )
  },
  {
    id: "sig-small-order",
    attacker: "storage",
    mutation: "an Ed25519 key and R of small order or not canonically encoded, under which anything verifies",
    expect: ["BAD_SIGNATURE"],
    exit: 1,
    attempts: (evidence) =>
      smallOrder.map((point) =>
        onFiles(evidence, weakKey(point), Hex.encode(point), { keys: [makeVerifierKey(origin, 1, point)] })
      )
  },
  {
    id: "note-first-blank",
    attacker: "storage",
    mutation: "note text with an empty line: the signatures begin after the last blank line",
    expect: ["MALFORMED_CHECKPOINT"],
    exit: 3,
    attempts: (evidence) => [
      onFiles(evidence, (builder) => {
        const size = builder.entries.length
        const text = `${checkpointBody(builder, size)}\nextra\n`
        builder.files.set(served, printNote(signNote(text, [builder.signersAt(size).log])))
      })
    ]
  },
  {
    id: "equiv-samesize",
    attacker: "insider",
    mutation: "two checkpoints of one size with different roots, both validly signed",
    expect: ["EQUIVOCATION"],
    exit: 1,
    attempts: (evidence) => [
      onFiles(evidence, (builder) => {
        const size = builder.entries.length
        builder.files.set(served, builder.signRoot(size, rootOf(builder.entries.slice(0, size - 1))).served)
      }, "both in the archive"),
      onFiles(evidence, () => undefined, "one kept outside", {
        pinned: [{ name: "kept", bytes: otherHead(evidence.copy(), evidence.copy().entries.length) }]
      })
    ]
  },
  {
    id: "equiv-inconsistent",
    attacker: "insider",
    mutation: "checkpoints of two sizes whose roots no consistency proof links",
    expect: ["EQUIVOCATION"],
    exit: 1,
    attempts: (evidence) => [
      onFiles(evidence, (builder) => {
        const [key = ""] = headKeys(builder).filter((candidate) => candidate.includes("/checkpoint.d/")).sort()
        const size = Number(key.slice(-20))
        builder.files.set(key, otherHead(builder, size))
      }, "in the archive"),
      onFiles(evidence, () => undefined, "kept outside", {
        pinned: [{ name: "kept", bytes: otherHead(evidence.copy(), 400) }]
      })
    ]
  },
  {
    id: "cons-size0",
    attacker: "storage",
    mutation: "a consistency proof from size 0, on which simple loops never end",
    expect: ["MALFORMED_PROOF"],
    exit: 3,
    attempts: () => [
      onReader("size1 = 0", "MALFORMED_PROOF", () => {
        const root = new Uint8Array(32)
        const proof = [root, root]
        if (!verifyConsistency({ size1: 0, root1: root, size2: 8, root2: root, proof })) throw new Error("refused")
      })
    ]
  },
  {
    id: "size-2^53",
    attacker: "storage",
    mutation: "a tree size of 9007199254740993 in a checkpoint",
    expect: ["MALFORMED_CHECKPOINT"],
    exit: 3,
    attempts: (evidence) => [
      onFiles(evidence, (builder) => {
        const size = builder.entries.length
        const text = checkpointBody(builder, size).replace(`\n${size}\n`, "\n9007199254740993\n")
        builder.files.set(served, printNote(signNote(text, [builder.signersAt(size).log])))
      })
    ]
  },
  {
    id: "key-after-revoke",
    attacker: "insider",
    mutation: "a checkpoint signed by a revoked key, with no trusted time before the revocation",
    expect: ["REVOKED_KEY"],
    exit: 1,
    attempts: (evidence) => [
      onFiles(evidence, revoked, "the list is given", { keyChanges: [revocation] }),
      onFiles(evidence, revoked, "by somebody who trusts the newer key", {
        keys: [secondLog.key, witness.key],
        keyChanges: [revocation]
      }),
      onFiles(evidence, (builder) => {
        revoked(builder)
        builder.store(revocation)
      }, "the list lies in the archive")
    ]
  }
]
