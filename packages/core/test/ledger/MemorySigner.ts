/**
 * A Signer in memory, beside the real one: the same rules, the golden vectors' seeds, and a state that outlives a process.
 */
import { signCheckpoint } from "@rainlogs/verify/Checkpoint"
import { emptyRoot } from "@rainlogs/verify/Merkle"
import { printNote, signNote } from "@rainlogs/verify/Note"
import { printVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Clock, Effect } from "effect"
import { Signer, SignerRefused, type SignerState, SignerUnavailable } from "../../src/ledger/Signer.ts"
import { keysOf, type SignerSeeds } from "../../src/ledger/SignerKeyFile.ts"
import { objectionTo } from "../../src/ledger/SignerLocal.ts"

/** A signer that keeps its state in memory. */
export const memorySigner = (seeds: SignerSeeds): Signer["Service"] => {
  const states = new Map<string, SignerState>()
  const state = (origin: string): SignerState => states.get(origin) ?? { size: 0, root: emptyRoot }
  return Signer.of({
    keys: (origin) =>
      Effect.sync(() => {
        const { clock, log } = keysOf(origin, seeds)
        return { log: printVerifierKey(log.key), clock: printVerifierKey(clock.key) }
      }),
    state: (origin) => Effect.sync(() => state(origin)),
    sign: Effect.fnUntraced(function*({ origin, proof, root, size }) {
      const last = state(origin)
      const detail = objectionTo(last, { size, root, proof })
      if (detail !== null) return yield* new SignerRefused({ origin, lastSize: last.size, askedSize: size, detail })
      const timestamp = Math.floor((yield* Clock.currentTimeMillis) / 1000)
      const { clock, log } = keysOf(origin, seeds)
      const signed = signCheckpoint({ checkpoint: { origin, size, root }, log, clock: { ...clock, timestamp } })
      states.set(origin, { size, root })
      return signed
    }),
    signDocument: (origin, text) => Effect.sync(() => printNote(signNote(text, [keysOf(origin, seeds).log]))),
    prepareKeys: ({ origin }) => Effect.fail(new SignerUnavailable({ origin, detail: "its keys do not change" })),
    preparedKeys: () => Effect.succeedNone,
    adoptKeys: () => Effect.void,
    sealedKeys: () => Effect.succeed([])
  })
}
