/**
 * A witness (C2SP tlog-witness): cosigns a checkpoint only when it extends the one it cosigned before. What it has seen
 * is on the disk before it answers, so that a log can show it no second history, whatever happens to its process.
 */
import * as Bytes from "@rainlogs/verify/Bytes"
import { type Checkpoint, parseCheckpoint } from "@rainlogs/verify/Checkpoint"
import { cosignatureMessage } from "@rainlogs/verify/Cosignature"
import * as Ed25519 from "@rainlogs/verify/Ed25519"
import { sha256 } from "@rainlogs/verify/Hash"
import * as Hex from "@rainlogs/verify/Hex"
import { MalformedError } from "@rainlogs/verify/Malformed"
import { verifyConsistency } from "@rainlogs/verify/Merkle"
import { verify as verifySignature } from "@rainlogs/verify/node/NativeEd25519"
import { type NoteSigner, parseNote, printNote, signatureLine, verifyNote } from "@rainlogs/verify/Note"
import type { VerifierKey } from "@rainlogs/verify/VerifierKey"
import { type AddCheckpoint, parseAddCheckpoint } from "@rainlogs/verify/witness/AddCheckpoint"
import { join } from "node:path"
import { readIfPresent, writeDurably } from "../storage/DurableFile.ts"

/** An answer to `add-checkpoint`, as HTTP says it. */
export interface WitnessAnswer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422
  readonly contentType: "text/plain; charset=utf-8" | "text/x.tlog.size"
  readonly body: string
}

/** What a witness is made of. */
export interface WitnessOptions {
  /** Where its state lies, one file per log. Only one process may use it. */
  readonly directory: string
  /** Its cosignature key, type 4. */
  readonly signer: NoteSigner
  /** The logs it knows, by their keys of type 1, whose names are the origins. */
  readonly logs: ReadonlyArray<VerifierKey>
}

const text = (status: WitnessAnswer["status"], body: string): WitnessAnswer => ({
  status,
  contentType: "text/plain; charset=utf-8",
  body: `${body}\n`
})

const sizeConflict = (size: number): WitnessAnswer => ({
  status: 409,
  contentType: "text/x.tlog.size",
  body: `${size}\n`
})

/** One witness. */
export class Witness {
  readonly #options: WitnessOptions
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(options: WitnessOptions) {
    this.#options = options
  }

  /** Answers a request; `seconds` is the Unix time now. Rejects only when its own state cannot be read or written. */
  async addCheckpoint(body: Uint8Array, seconds: number): Promise<WitnessAnswer> {
    let request: AddCheckpoint
    let checkpoint: Checkpoint
    try {
      request = parseAddCheckpoint(body)
      checkpoint = parseCheckpoint(request.checkpoint.text)
    } catch (error) {
      if (error instanceof MalformedError) return text(400, error.message)
      throw error
    }
    const keys = this.#options.logs.filter(({ name }) => name === checkpoint.origin)
    if (keys.length === 0) return text(404, "unknown log")
    const { bad, verified } = verifyNote(request.checkpoint, keys, verifySignature)
    if (bad.length > 0 || verified.length === 0) return text(403, "invalid signature")
    if (request.old > checkpoint.size) return text(400, "the old size is larger than the checkpoint's")
    return this.#inTurn(checkpoint.origin, () => this.#cosign(request, checkpoint, seconds))
  }

  // One at a time per log: two requests that both extend the same size cannot both be right.
  #inTurn<Value>(origin: string, step: () => Promise<Value>): Promise<Value> {
    const before = this.#turns.get(origin) ?? Promise.resolve()
    const turn = before.then(step, step)
    this.#turns.set(origin, turn)
    return turn
  }

  async #cosign(request: AddCheckpoint, checkpoint: Checkpoint, seconds: number): Promise<WitnessAnswer> {
    const seen = await this.#seen(checkpoint.origin)
    const { old, proof } = request
    const last = seen?.checkpoint ?? null
    if (old !== (last?.size ?? 0)) return sizeConflict(last?.size ?? 0)
    if (last !== null && old === checkpoint.size) {
      if (!Bytes.equal(last.root, checkpoint.root)) return text(409, "another root was cosigned for this size")
      if (proof.length > 0) return text(422, "a consistency proof between equal sizes is empty")
    } else if (old === 0) {
      // Every tree extends the empty one, and no proof can say so.
      if (proof.length > 0) return text(422, "a consistency proof from size 0 is empty")
    } else {
      const claim = {
        size1: old,
        size2: checkpoint.size,
        root1: last?.root ?? checkpoint.root,
        root2: checkpoint.root,
        proof
      }
      if (!verifyConsistency(claim)) return text(422, "the consistency proof does not hold")
    }
    const { key, seed } = this.#options.signer
    // Its clock never runs backwards.
    const time = Math.max(seconds, seen?.seconds ?? 0)
    const stamp = new Uint8Array(8)
    new DataView(stamp.buffer).setBigUint64(0, BigInt(time))
    const message = cosignatureMessage(time, request.checkpoint.text)
    const cosignature = { name: key.name, id: key.id, signature: Bytes.concat(stamp, Ed25519.sign(seed, message)) }
    const note = printNote({ text: request.checkpoint.text, signatures: [cosignature] })
    await writeDurably(this.#path(checkpoint.origin), note)
    return { status: 200, contentType: "text/plain; charset=utf-8", body: `${signatureLine(cosignature)}\n` }
  }

  // What it cosigned last for a log, from its own signed file: a damaged one is an error, never a fresh start.
  async #seen(origin: string): Promise<{ readonly checkpoint: Checkpoint; readonly seconds: number } | null> {
    const bytes = await readIfPresent(this.#path(origin))
    if (bytes === null) return null
    const note = parseNote(bytes)
    const { key } = this.#options.signer
    const seconds = verifyNote(note, [key], verifySignature).timestamps.get(key)
    const checkpoint = parseCheckpoint(note.text)
    if (seconds === undefined || checkpoint.origin !== origin) {
      throw new Error(`${this.#path(origin)} is damaged: restore it from a backup; a witness must not forget`)
    }
    return { checkpoint, seconds }
  }

  #path(origin: string): string {
    return join(this.#options.directory, `${Hex.encode(sha256(new TextEncoder().encode(origin)))}.cosigned`)
  }
}
