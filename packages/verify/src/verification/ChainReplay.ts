/**
 * Replays every chain (ledger format §2): each entry must continue its chain's last hash and seq, the first one must
 * begin at the chain's own genesis value, and no seq may be missing, repeated or out of order.
 */
import { chainHash, genesisPrev } from "../Chain.ts"
import type { Entry } from "../Entry.ts"
import type { Sha256 } from "../Hash.ts"
import type { ChainHead } from "../Heartbeat.ts"
import * as Hex from "../Hex.ts"
import type { Findings } from "./Findings.ts"

interface ChainState {
  nextSeq: number
  head: string
  /** The bytes of `head`. */
  headBytes: Uint8Array
  /** Skipped seqs `[from, to)`: missing, unless they still turn up out of order. */
  skipped: Array<{ from: number; to: number }>
}

/** The chains of one ledger as far as they have been replayed. */
export class ChainReplay {
  readonly #origin: string
  readonly #findings: Findings
  readonly #sha256: Sha256
  readonly #chains = new Map<string, ChainState>()

  constructor(origin: string, findings: Findings, sha256: Sha256) {
    this.#origin = origin
    this.#findings = findings
    this.#sha256 = sha256
  }

  /** Number of chains that have an entry. */
  get chains(): number {
    return this.#chains.size
  }

  /** The head of every chain, sorted by chain (byte order). */
  heads(): Array<ChainHead> {
    return [...this.#chains]
      .map(([chain, { nextSeq, head }]) => ({ chain, nextSeq, hash: head }))
      .sort((left, right) => left.chain < right.chain ? -1 : 1)
  }

  /** Links the next entry, in tree order. */
  add(entry: Entry): void {
    const { chain, seq } = entry
    const report = (code: string, detail: string, expected: string, actual: string) =>
      this.#findings.add({ code, chain, seq, detail, expected, actual })
    if (entry.origin !== this.#origin) {
      report("GENESIS_MISMATCH", "an entry of another origin stands in this ledger", this.#origin, entry.origin)
    }
    const known = this.#chains.get(chain)
    const state: ChainState = known ?? this.#begin(chain)
    const prev = entry.prev === state.head ? state.headBytes : Hex.decode(entry.prev, 32)
    const linkBytes = chainHash(prev, Hex.decode(entry.object, 32), entry.job, this.#sha256)
    const link = Hex.encode(linkBytes)
    if (link !== entry.hash) {
      report("CHAIN_BROKEN", "the entry's hash is not the chain hash of its prev, object and job", link, entry.hash)
    }
    if (seq < state.nextSeq) {
      this.#repeated(entry, state)
      return
    }
    if (seq > state.nextSeq) {
      state.skipped.push({ from: state.nextSeq, to: seq })
    } else if (entry.prev !== state.head) {
      if (known === undefined) {
        report("GENESIS_MISMATCH", "the chain does not begin at its own genesis value", state.head, entry.prev)
      } else {
        report("CHAIN_BROKEN", "prev is not the hash of the entry before", state.head, entry.prev)
      }
    }
    state.nextSeq = seq + 1
    state.head = entry.hash
    state.headBytes = link === entry.hash ? linkBytes : Hex.decode(entry.hash, 32)
    if (known === undefined) this.#chains.set(chain, state)
  }

  /** Reports the seqs that never turned up. */
  finish(): void {
    for (const [chain, { skipped }] of this.#chains) {
      for (const { from, to } of skipped) {
        const missing = to - from === 1 ? `entry ${from} is missing` : `entries ${from} to ${to - 1} are missing`
        this.#findings.add({ code: "SEQ_GAP", chain, seq: from, detail: `${missing} from the chain` })
      }
    }
  }

  #begin(chain: string): ChainState {
    const headBytes = genesisPrev(this.#origin, chain)
    return { nextSeq: 0, head: Hex.encode(headBytes), headBytes, skipped: [] }
  }

  // A seq at or below the head: an entry out of order when it was skipped before, else a second one of the same seq.
  #repeated(entry: Entry, state: ChainState): void {
    const { chain, seq } = entry
    const range = state.skipped.find(({ from, to }) => from <= seq && seq < to)
    if (range === undefined) {
      const detail = `a second entry with seq ${seq}: two histories of the chain`
      this.#findings.add({ code: "CHAIN_FORK", chain, seq, detail })
      return
    }
    this.#findings.add({
      code: "CHAIN_BROKEN",
      chain,
      seq,
      detail: `entry ${seq} stands after a later one of its chain`
    })
    state.skipped.splice(
      state.skipped.indexOf(range),
      1,
      ...[{ from: range.from, to: seq }, { from: seq + 1, to: range.to }].filter(({ from, to }) => from < to)
    )
  }
}
