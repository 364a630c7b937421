/**
 * What the signer process signs besides checkpoints: the documents of a ledger that are signed notes (ledger format
 * §3, §4, §7), each read by the verifier's own strict parser. Nothing else, so that asking for a document's signature
 * is no way to a checkpoint's.
 */
import { parseGenesis, printGenesis } from "@rainlogs/verify/Genesis"
import { parseHold, printHold } from "@rainlogs/verify/Hold"
import { parseKeys, printKeys } from "@rainlogs/verify/Keys"
import { MalformedError } from "@rainlogs/verify/Malformed"
import { parsePolicy, printPolicy } from "@rainlogs/verify/Policy"
import { parseRelease, printRelease } from "@rainlogs/verify/Release"
import { parseTombstone, printTombstone } from "@rainlogs/verify/Tombstone"
import type { VerifierKey } from "@rainlogs/verify/VerifierKey"

/** A document that may be signed by its origin's log key, if the signer holds the keys it names. */
export interface SignableDocument {
  /** Its first line, such as `rainlogs-policy/v1`. */
  readonly format: string
  readonly origin: string
  /** The keys it brings into force; the signer must hold all of them, or whoever asks could hand the ledger over. */
  readonly keys: ReadonlyArray<VerifierKey>
}

interface Reading {
  readonly origin: string
  readonly keys: ReadonlyArray<VerifierKey>
  /** The canonical text of what was read. */
  readonly text: string
}

const formats: Readonly<Record<string, (text: string) => Reading>> = {
  "rainlogs-genesis/v1": (text) => {
    const genesis = parseGenesis(text)
    return { origin: genesis.origin, keys: [genesis.log, genesis.clock], text: printGenesis(genesis) }
  },
  "rainlogs-policy/v1": (text) => {
    const policy = parsePolicy(text)
    return { origin: policy.origin, keys: [], text: printPolicy(policy) }
  },
  "rainlogs-keys/v1": (text) => {
    const keys = parseKeys(text)
    return { origin: keys.origin, keys: [keys.log, keys.clock], text: printKeys(keys) }
  },
  "rainlogs-tombstone/v1": (text) => {
    const tombstone = parseTombstone(text)
    return { origin: tombstone.origin, keys: [], text: printTombstone(tombstone) }
  },
  "rainlogs-hold/v1": (text) => {
    const hold = parseHold(text)
    return { origin: hold.origin, keys: [], text: printHold(hold) }
  },
  "rainlogs-release/v1": (text) => {
    const release = parseRelease(text)
    return { origin: release.origin, keys: [], text: printRelease(release) }
  }
}

/** Reads the text of a document; throws {@link MalformedError} for any text that is not exactly one of the formats. */
export const parseSignable = (text: string): SignableDocument => {
  const format = text.slice(0, text.indexOf("\n"))
  const read = Object.hasOwn(formats, format) ? formats[format] : undefined
  if (read === undefined) {
    throw new MalformedError("document", `is none of ${Object.keys(formats).join(", ")}; nothing else is signed`)
  }
  const { keys, origin, text: canonical } = read(text)
  if (canonical !== text) throw new MalformedError(format, "is not in its canonical form")
  return { format, origin, keys }
}
