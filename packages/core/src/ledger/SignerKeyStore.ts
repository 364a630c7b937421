/**
 * An origin's keys on the disk of {@link SignerLocal}, and how they change: `<id>.keys` are in use, `<id>.next` are
 * prepared. Every step is one durable write, so that a process killed at any moment leaves one pair in use and at most
 * one prepared, and the next start goes on from there.
 */
import { printKeys } from "@rainlogs/verify/Keys"
import { printNote, signNote } from "@rainlogs/verify/Note"
import { printVerifierKey, sameKey } from "@rainlogs/verify/VerifierKey"
import { rm } from "node:fs/promises"
import { dirname } from "node:path"
import { readIfPresent, syncDirectory, writeDurably } from "../storage/DurableFile.ts"
import type { KeysRequest, PreparedKeys, SealedKeys } from "./Signer.ts"
import { keysOf, parseKeyFile, printKeyFile, type SignerKeys, type SignerSeeds } from "./SignerKeyFile.ts"
import { parseNext, printNext, type StoredNext } from "./SignerNextFile.ts"

/** The pairs of an origin. */
export interface OriginKeys {
  readonly used: SignerKeys
  readonly next: StoredNext | null
}

/** The keys of one origin; `path` without its ending. One caller at a time. Rejects with what is wrong, and no secret. */
export class SignerKeyStore {
  readonly #origin: string
  readonly #path: string
  readonly #wrappingKey: Uint8Array

  constructor(origin: string, path: string, wrappingKey: Uint8Array) {
    this.#origin = origin
    this.#path = path
    this.#wrappingKey = wrappingKey
  }

  /** The stored keys, or null if there are none. */
  async load(): Promise<OriginKeys | null> {
    const bytes = await readIfPresent(`${this.#path}.keys`)
    if (bytes === null) return null
    const used = parseKeyFile(this.#origin, bytes, this.#wrappingKey)
    const stored = await readIfPresent(`${this.#path}.next`)
    const next = stored === null ? null : parseNext(this.#origin, stored, this.#wrappingKey)
    if (next === null || !sameKey(next.keys.log.key, used.log.key)) return { used, next }
    // Killed between putting the prepared keys in use and forgetting that they were prepared.
    await this.#forgetNext()
    return { used, next: null }
  }

  /** Stores the first keys. */
  async create(seeds: SignerSeeds): Promise<OriginKeys> {
    const used = keysOf(this.#origin, seeds)
    await writeDurably(`${this.#path}.keys`, printKeyFile(this.#origin, used, this.#wrappingKey))
    return { used, next: null }
  }

  /** Prepares keys. Those of a document that can no longer be chained keep their seeds and get a new document. */
  async prepare(keys: OriginKeys, request: KeysRequest, seeds: () => SignerSeeds): Promise<OriginKeys> {
    const { next, used } = keys
    if (next !== null && next.change.version === request.version && sameKey(next.change.previous, used.log.key)) {
      return keys
    }
    const following = next?.keys ?? keysOf(this.#origin, seeds())
    const file = next?.file ?? printKeyFile(this.#origin, following, this.#wrappingKey)
    const change = {
      origin: this.#origin,
      version: request.version,
      previous: used.log.key,
      log: following.log.key,
      clock: following.clock.key,
      revoked: request.revoked
    }
    const document = printNote(signNote(printKeys(change), [used.log, following.log]))
    await writeDurably(`${this.#path}.next`, printNext({ file, document }))
    return { used, next: { file, keys: following, document, change } }
  }

  /** Puts the prepared keys in use; the seeds before are overwritten. */
  async advance(next: StoredNext): Promise<OriginKeys> {
    await writeDurably(`${this.#path}.keys`, next.file)
    await this.#forgetNext()
    return { used: next.keys, next: null }
  }

  /** The key files as they lie on the disk. */
  async sealed({ next, used }: OriginKeys): Promise<ReadonlyArray<SealedKeys>> {
    const bytes = await readIfPresent(`${this.#path}.keys`)
    if (bytes === null) throw new Error(`${this.#path}.keys vanished`)
    const current = { log: printVerifierKey(used.log.key), bytes }
    return next === null ? [current] : [current, { log: printVerifierKey(next.keys.log.key), bytes: next.file }]
  }

  async #forgetNext(): Promise<void> {
    await rm(`${this.#path}.next`, { force: true })
    await syncDirectory(dirname(this.#path))
  }
}

/** What is told of prepared keys. */
export const printPrepared = ({ document, keys }: StoredNext): PreparedKeys => ({
  log: printVerifierKey(keys.log.key),
  clock: printVerifierKey(keys.clock.key),
  document
})
