/**
 * The documents at `event/<sha256>`: each must be there, have its entry's size and hash to its own name. They are never
 * erased, so a missing one has no excuse.
 */
import type { ArchiveReader } from "../ArchiveReader.ts"
import type { Sha256 } from "../Hash.ts"
import * as Hex from "../Hex.ts"
import { eventPath } from "../Layout.ts"
import type { Findings } from "./Findings.ts"
import type { LedgerFiles } from "./LedgerFiles.ts"

/** Largest document that is read, bytes. */
export const maxDocumentBytes = 16 * 1024 * 1024

/** Who refers to a document: an entry, and the size it states (a parameters document has none). */
export interface DocumentReference {
  readonly chain: string
  readonly seq: number
  readonly hash: string
  readonly size: number | null
}

/** The documents of one ledger directory. */
export class Documents {
  readonly #reader: ArchiveReader
  readonly #files: LedgerFiles
  readonly #findings: Findings
  readonly #sha256: Sha256
  readonly #onDocument: (bytes: Uint8Array) => void
  readonly #referenced = new Set<string>()

  constructor(source: {
    readonly reader: ArchiveReader
    readonly files: LedgerFiles
    readonly findings: Findings
    readonly sha256: Sha256
    /** Sees the bytes of every document that hashes to its name. */
    readonly onDocument: (bytes: Uint8Array) => void
  }) {
    this.#reader = source.reader
    this.#files = source.files
    this.#findings = source.findings
    this.#sha256 = source.sha256
    this.#onDocument = source.onDocument
  }

  /** Number of different documents the ledger refers to. */
  get referenced(): number {
    return this.#referenced.size
  }

  /** The bytes of a referenced document, or null with the finding that says why not. */
  async read(reference: DocumentReference): Promise<Uint8Array | null> {
    const { chain, seq, hash } = reference
    const key = `${this.#files.prefix}/${eventPath(hash)}`
    this.#referenced.add(hash)
    const stored = this.#files.documents.get(hash)
    if (stored === undefined) {
      this.#findings.add({ code: "UNAUTHORISED_DELETION", chain, seq, detail: "the entry's document is missing", key })
      return null
    }
    if (reference.size !== null && stored !== reference.size) {
      const detail = "the document has not the size its entry states"
      const [expected, actual] = [`${reference.size} bytes`, `${stored} bytes`]
      this.#findings.add({ code: "OBJECT_HASH_MISMATCH", chain, seq, detail, key, expected, actual })
      return null
    }
    return this.#readChecked(hash, stored, chain, seq)
  }

  /**
   * Documents no entry refers to. A document is stored before its entry is appended, so one may be left by a crash or
   * belong to an entry past the signed head; it must still hash to its name.
   */
  async checkUnreferenced(): Promise<void> {
    for (const [hash, size] of this.#files.documents) {
      if (this.#referenced.has(hash) || await this.#readChecked(hash, size, null, null) === null) continue
      const key = `${this.#files.prefix}/${eventPath(hash)}`
      const detail =
        "a document that no verified entry refers to (left by an interrupted append, or newer than the head)"
      this.#findings.add({ code: "UNREFERENCED_DOCUMENT", severity: "notice", detail, key })
    }
  }

  async #readChecked(hash: string, size: number, chain: string | null, seq: number | null): Promise<Uint8Array | null> {
    const key = `${this.#files.prefix}/${eventPath(hash)}`
    const bytes = size > maxDocumentBytes ? null : await this.#reader.read(key)
    if (bytes === null) {
      const detail = size > maxDocumentBytes ? `a document of ${size} bytes` : "the file vanished while it was verified"
      this.#findings.add({ code: "MALFORMED_DOCUMENT", severity: "malformed", chain, seq, detail, key })
      return null
    }
    const actual = Hex.encode(this.#sha256(bytes))
    if (actual === hash) {
      this.#onDocument(bytes)
      return bytes
    }
    const detail = "the document does not hash to its name"
    this.#findings.add({ code: "OBJECT_HASH_MISMATCH", chain, seq, detail, key, expected: hash, actual })
    return null
  }
}
