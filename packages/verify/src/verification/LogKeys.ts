/**
 * Which keys of the log are believed, from which tree size on, and which were revoked (ledger format §4). A `keys`
 * document names the key before and the new one and is signed by both, so whoever trusts one of them may trust the other.
 */
import { encode } from "../Ascii.ts"
import { hasPrefix } from "../Bytes.ts"
import type { Verify } from "../Ed25519.ts"
import { type Keys, parseKeys, type Revocation } from "../Keys.ts"
import { MalformedError } from "../Malformed.ts"
import { type Note, parseNote, verifyNote } from "../Note.ts"
import { sameKey, type VerifierKey } from "../VerifierKey.ts"

const header = encode("rainlogs-keys/v1\n")

/** The keys in force from a tree size on. */
export interface KeysInForce {
  readonly fromSize: number
  readonly log: VerifierKey
  readonly clock: VerifierKey
  /** The list of revoked keys from there on. */
  readonly revoked: ReadonlyArray<Revocation>
}

/** The keys of one log. */
export class LogKeys {
  readonly #verify: Verify
  readonly #documents: Array<Keys> = []
  readonly #believed: Array<VerifierKey>
  readonly #timeline: Array<KeysInForce> = []

  /** `given` is the key trusted from outside; its name is the origin. */
  constructor(given: VerifierKey, verify: Verify) {
    this.#verify = verify
    this.#believed = [given]
  }

  /** The origin that is verified. */
  get origin(): string {
    return this.#believed[0]?.name ?? ""
  }

  /** The key trusted from outside and every key it leads to. */
  get believed(): ReadonlyArray<VerifierKey> {
    return this.#believed
  }

  /** What the control chain has put in force, in its order. */
  get timeline(): ReadonlyArray<KeysInForce> {
    return this.#timeline
  }

  /** Whether the key is believed. */
  believes(key: VerifierKey): boolean {
    return this.#believed.some((known) => sameKey(known, key))
  }

  /** Takes note of a document if it is a change of keys; anything else is left to whoever reads it as what it is. */
  learn(bytes: Uint8Array): void {
    if (!hasPrefix(bytes, header)) return
    try {
      const note = parseNote(bytes)
      const keys = parseKeys(note.text)
      if (keys.origin === this.origin && this.signedByBoth(keys, note)) this.#documents.push(keys)
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      return
    }
    this.#spread()
  }

  /** Whether the note carries the signatures of the key before and of the new one. */
  signedByBoth(keys: Keys, note: Note): boolean {
    const signers = sameKey(keys.previous, keys.log) ? [keys.log] : [keys.previous, keys.log]
    const { bad, verified } = verifyNote(note, signers, this.#verify)
    return bad.length === 0 && verified.length === signers.length
  }

  /** Puts keys in force for tree sizes from `fromSize` on. */
  begin(keys: KeysInForce): void {
    this.#timeline.push(keys)
  }

  /** The keys in force at a tree size; null before genesis was read. */
  inForce(size: number): KeysInForce | null {
    return this.#timeline.findLast(({ fromSize }) => fromSize <= size) ?? null
  }

  /** When the key was revoked according to any believed document, or null. */
  revocation(key: VerifierKey): Revocation | null {
    let earliest: Revocation | null = null
    for (const document of this.#documents) {
      if (!this.believes(document.log)) continue
      for (const revocation of document.revoked) {
        if (revocation.id === key.id && (earliest === null || revocation.since < earliest.since)) earliest = revocation
      }
    }
    return earliest
  }

  // To a fixed point: a document may be read before the one that leads to it.
  #spread(): void {
    for (let grew = true; grew;) {
      grew = false
      for (const { log, previous } of this.#documents) {
        if (this.believes(log) === this.believes(previous)) continue
        this.#believed.push(this.believes(log) ? previous : log)
        grew = true
      }
    }
  }
}
