/**
 * The anchor receipts of a ledger (ledger format §6), read before the replay: each must speak about the very bytes of
 * `checkpoint.d/<size>`. Those that somebody trusted signed give trusted times.
 */
import { parseReceiptPath, type ReceiptPath } from "../Anchored.ts"
import type { ArchiveReader } from "../ArchiveReader.ts"
import type { Verify } from "../Ed25519.ts"
import type { Sha256 } from "../Hash.ts"
import * as Hex from "../Hex.ts"
import { MalformedError } from "../Malformed.ts"
import { type Note, parseNote, printNote, verifyNote } from "../Note.ts"
import type { Certificate } from "../timestamp/Certificate.ts"
import { verifyTimestamp } from "../timestamp/VerifyTimestamp.ts"
import type { VerifierKey } from "../VerifierKey.ts"
import { quorumTime, type WitnessPolicy } from "../WitnessPolicy.ts"
import type { SignedHead } from "./CheckpointNotes.ts"
import type { FindingDraft, Findings } from "./Findings.ts"
import type { LedgerFiles } from "./LedgerFiles.ts"
import type { TrustedTime } from "./TrustedTimes.ts"

/** Largest receipt that is read, bytes. */
export const maxReceiptBytes = 1_000_000

/** What receipts are read from and judged with. */
export interface ReceiptSource {
  readonly reader: ArchiveReader
  readonly files: LedgerFiles
  readonly findings: Findings
  readonly archived: ReadonlyMap<number, SignedHead>
  readonly served: SignedHead | null
  /** Certificates of the roots of trusted timestamp authorities. */
  readonly timestampRoots: ReadonlyArray<Certificate>
  /** Type 4 keys of the trusted witnesses. */
  readonly witnesses: ReadonlyArray<VerifierKey>
  /** How many of them must have cosigned; any one when left out. */
  readonly witnessPolicy: WitnessPolicy | null
  readonly verifySignature: Verify
  readonly sha256: Sha256
}

/** What the receipts give. */
export interface Receipts {
  /** SHA-256 of every receipt that was read, by its path relative to the ledger's directory. */
  readonly hashes: ReadonlyMap<string, string>
  readonly times: ReadonlyArray<TrustedTime>
  /** Receipts nobody trusted signed: they count as nothing, and matter when nothing else covers. */
  readonly untrusted: ReadonlyArray<{ readonly code: string; readonly detail: string; readonly key: string }>
}

/** Reads every receipt. */
export const readReceipts = async (source: ReceiptSource): Promise<Receipts> => {
  const reading = new Reading(source)
  const ordered = [...source.files.anchors].map(([path, size]) => ({ path, size, at: parseReceiptPath(path) }))
  ordered.sort((left, right) => (left.at?.size ?? 0) - (right.at?.size ?? 0) || (left.path < right.path ? -1 : 1))
  for (const { at, path, size } of ordered) if (at !== null) await reading.add(path, at, size)
  reading.finish()
  return reading
}

// When each witness saw a checkpoint, ms.
const witnessTimes = (
  note: Note,
  head: { readonly size: number; readonly key: string },
  source: Pick<ReceiptSource, "findings" | "verifySignature" | "witnesses" | "witnessPolicy">
): { readonly bad: boolean; readonly times: Map<VerifierKey, number> } => {
  const { bad, timestamps } = verifyNote(note, source.witnesses, source.verifySignature)
  for (const key of bad) {
    const detail = `the cosignature of ${key.name} is invalid`
    source.findings.add({ code: "BAD_SIGNATURE", question: "anchoring", detail, key: head.key })
  }
  return { bad: bad.length > 0, times: new Map([...timestamps].map(([key, seconds]) => [key, seconds * 1000])) }
}

class Reading implements Receipts {
  readonly hashes = new Map<string, string>()
  readonly times: Array<TrustedTime> = []
  readonly untrusted: Array<{ code: string; detail: string; key: string }> = []
  readonly #source: ReceiptSource
  /** Cosignatures by tree size, for a policy that needs several. */
  readonly #cosigned = new Map<number, { readonly key: string; readonly times: Map<VerifierKey, number> }>()

  constructor(source: ReceiptSource) {
    this.#source = source
  }

  async add(path: string, at: ReceiptPath, size: number): Promise<void> {
    const { files, reader, archived, sha256 } = this.#source
    const key = `${files.prefix}/${path}`
    const bytes = size > maxReceiptBytes ? null : await reader.read(key)
    if (bytes === null) {
      const detail = size > maxReceiptBytes ? `a receipt of ${size} bytes` : "the file vanished while it was verified"
      this.#find({ code: "MALFORMED_ANCHOR", severity: "malformed", detail, key })
      return
    }
    this.hashes.set(path, Hex.encode(sha256(bytes)))
    const head = archived.get(at.size)
    if (head === undefined) {
      this.untrusted.push({ code: "ANCHOR_MISMATCH", detail: "there is no signed checkpoint of its size", key })
      return
    }
    try {
      if (at.extension === "tsr") await this.#addTimestamp(bytes, head, key)
      else if (at.extension === "cosig") this.#addCosignature(bytes, head, key)
      else this.#addStatement(bytes, head, key)
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      this.#find({ code: "MALFORMED_ANCHOR", severity: "malformed", detail: error.message, key })
    }
  }

  /** Adds the cosignatures on the served checkpoint, and concludes what the witnesses attest. */
  finish(): void {
    const { served, witnessPolicy } = this.#source
    if (served !== null) this.#addTimes(served.note, { size: served.checkpoint.size, key: served.key })
    for (const [size, { key, times }] of this.#cosigned) {
      if (witnessPolicy === null) {
        for (const [witness, time] of times) this.times.push({ size, time, by: witness.name, key, expires: null })
        continue
      }
      const time = quorumTime(witnessPolicy, times)
      if (time !== null) this.times.push({ size, time, by: "the witness quorum", key, expires: null })
      else {
        const detail = `${times.size} witnesses of the policy cosigned, fewer than its quorum`
        this.untrusted.push({ code: "WITNESS_QUORUM_MISSED", detail, key })
      }
    }
  }

  async #addTimestamp(bytes: Uint8Array, head: SignedHead, key: string): Promise<void> {
    const { timestampRoots: roots } = this.#source
    const judged = await verifyTimestamp({ response: bytes, message: printNote(stamped(head)), roots })
    const { size } = head.checkpoint
    switch (judged.outcome) {
      case "valid":
        this.times.push({ size, time: judged.time, by: judged.by, key, expires: judged.expires })
        return
      case "mismatch":
        return this.#find({ code: "ANCHOR_MISMATCH", detail: judged.reason, key })
      case "invalid":
        return this.#find({ code: "ANCHOR_INVALID", detail: judged.reason, key })
      case "untrusted": {
        const hint = roots.length === 0 ? "no root of a timestamp authority was given: " : ""
        this.untrusted.push({ code: "ANCHOR_UNTRUSTED", detail: `${hint}${judged.reason}`, key })
      }
    }
  }

  #addCosignature(bytes: Uint8Array, head: SignedHead, key: string): void {
    // The receipt is what the witness answered: signature lines alone, which with the body make a note.
    const text = new TextEncoder().encode(`${head.note.text}\n`)
    const whole = new Uint8Array(text.length + bytes.length)
    whole.set(text)
    whole.set(bytes, text.length)
    const note = parseNote(whole)
    const { size } = head.checkpoint
    if (note.text !== head.note.text) throw new MalformedError("cosignature", "more than signature lines")
    if (this.#addTimes(note, { size, key }) === "unknown") {
      const names = note.signatures.map(({ name }) => name).join(", ")
      const detail = `the cosignature is of ${names}, whose key was not given`
      this.untrusted.push({ code: "ANCHOR_UNTRUSTED", detail, key })
    }
  }

  // Keeps the earliest time of each witness; says whether one that is known has a line on this note, good or bad.
  #addTimes(note: Note, head: { readonly size: number; readonly key: string }): "known" | "unknown" {
    const { bad, times } = witnessTimes(note, head, this.#source)
    const known = this.#cosigned.get(head.size) ?? { key: head.key, times: new Map<VerifierKey, number>() }
    for (const [witness, time] of times) known.times.set(witness, Math.min(time, known.times.get(witness) ?? time))
    if (times.size > 0) this.#cosigned.set(head.size, known)
    return bad || times.size > 0 ? "known" : "unknown"
  }

  // The receipt of a bucket or a webhook: the archive's own word about what it sent.
  #addStatement(bytes: Uint8Array, head: SignedHead, key: string): void {
    const stated = readStatement(bytes)
    const { size } = head.checkpoint
    const expected = Hex.encode(this.#source.sha256(printNote(stamped(head))))
    if (stated.size === size && stated.checkpoint === expected) return
    const detail = "the receipt names another checkpoint"
    this.#find({ code: "ANCHOR_MISMATCH", detail, key, expected, actual: stated.checkpoint })
  }

  #find(finding: FindingDraft): void {
    this.#source.findings.add({ question: "anchoring", ...finding })
  }
}

// What an anchor stamps: the body and the log's own line (ledger format §4).
const stamped = ({ note, signer }: SignedHead): Note => ({
  text: note.text,
  signatures: note.signatures.filter(({ name, id }) => name === signer.name && id === signer.id).slice(0, 1)
})

const readStatement = (bytes: Uint8Array): { readonly size: number; readonly checkpoint: string } => {
  const format = "anchor receipt"
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  } catch {
    throw new MalformedError(format, "not JSON")
  }
  if (typeof value !== "object" || value === null || !("size" in value) || !("checkpoint" in value)) {
    throw new MalformedError(format, "not an object with \"size\" and \"checkpoint\"")
  }
  const { checkpoint, size } = value
  if (typeof size !== "number" || typeof checkpoint !== "string") {
    throw new MalformedError(format, "\"size\" is a number and \"checkpoint\" a text")
  }
  return { size, checkpoint }
}
