/**
 * Adapter of {@link Signer}: keys and state in a directory of this machine. Per origin, with `<id>` = hex SHA-256 of
 * the origin: `<id>.keys` (wrapped seeds), `<id>.next` (while keys change: the wrapped seeds that follow, and the
 * document that names them) and `<id>.state` (last size and root); mode 0600, written atomically.
 *
 * The seeds are wrapped with a 32-byte key that the caller passes (from a KMS or an environment), or else with the one
 * in `wrapping.key`, made at random at the first start. There is no default key, and a directory that has keys but not
 * the key that wrapped them is an error.
 */
import { equal } from "@rainlogs/verify/Bytes"
import { signCheckpoint } from "@rainlogs/verify/Checkpoint"
import * as Hex from "@rainlogs/verify/Hex"
import { originHash } from "@rainlogs/verify/Layout"
import { emptyRoot, verifyConsistency } from "@rainlogs/verify/Merkle"
import { printNote, signNote } from "@rainlogs/verify/Note"
import { printVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Clock, Effect, Layer, Option, Redacted, Schedule } from "effect"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs/promises"
import { join } from "node:path"
import type { Origin } from "../domain/Customer.ts"
import { readIfPresent, writeDurably } from "../storage/DurableFile.ts"
import { makeOriginTurns } from "./OriginTurns.ts"
import { Signer, SignerRefused, SignerUnavailable } from "./Signer.ts"
import type { SignerKeys, SignerSeeds } from "./SignerKeyFile.ts"
import { type OriginKeys, printPrepared, SignerKeyStore } from "./SignerKeyStore.ts"
import { foreignLeaseMs, lock, LockHeld, type SignerLock } from "./SignerLock.ts"
import { parseState, printState, type StoredState } from "./SignerStateFile.ts"

type SignRequest = Parameters<Signer["Service"]["sign"]>[0]

/** Where the signer lives and how its seeds are protected. */
export interface SignerLocalOptions {
  /** Created with mode 0700 if it does not exist. One process at a time may use it. */
  readonly directory: string
  /** 32 bytes that wrap the seeds; `<directory>/wrapping.key` when left out. */
  readonly wrappingKey?: Redacted.Redacted<Uint8Array>
  /** The seeds of new keys; random when left out. For moving an origin's keys from another signer, and for vectors. */
  readonly newSeeds?: (origin: Origin) => Redacted.Redacted<SignerSeeds>
}

const randomSeeds = (): Redacted.Redacted<SignerSeeds> =>
  Redacted.make({ log: new Uint8Array(randomBytes(32)), clock: new Uint8Array(randomBytes(32)) })

const detailOf = (error: unknown): string => error instanceof Error ? error.message : String(error)

const attempt = <A>(origin: string, run: () => Promise<A>): Effect.Effect<A, SignerUnavailable> =>
  Effect.tryPromise({ try: run, catch: (error) => new SignerUnavailable({ origin, detail: detailOf(error) }) })

const wrappingKeyFile = "wrapping.key"

const openWrappingKey = async (directory: string): Promise<Redacted.Redacted<Uint8Array>> => {
  const path = join(directory, wrappingKeyFile)
  const stored = await readIfPresent(path)
  if (stored !== null) {
    const text = new TextDecoder("latin1").decode(stored).trim()
    if (!Hex.isHash(text)) throw new Error(`${path} does not hold 64 lower-case hex digits; restore it from a backup`)
    return Redacted.make(Hex.decode(text, 32))
  }
  if ((await fs.readdir(directory)).some((name) => name.endsWith(".keys"))) {
    throw new Error(`${path} is missing but there are keys wrapped with it; restore it from a backup`)
  }
  const key = new Uint8Array(randomBytes(32))
  await writeDurably(path, new TextEncoder().encode(`${Hex.encode(key)}\n`))
  return Redacted.make(key)
}

// Waits for a holder on another host or container to show that it is gone: after kill -9 the next start just goes on.
const acquireLock = (directory: string) => {
  const path = join(directory, "lock")
  const failure = (error: unknown) =>
    error instanceof LockHeld ? error : new SignerUnavailable({ origin: "-", detail: detailOf(error) })
  return Effect.tryPromise({ try: () => lock(path), catch: failure }).pipe(
    Effect.retry({
      while: (error) => error instanceof LockHeld && error.foreign,
      schedule: Schedule.max([Schedule.spaced("1 second"), Schedule.recurs(foreignLeaseMs / 1000 + 5)])
    }),
    Effect.mapError((error) =>
      error instanceof LockHeld ? new SignerUnavailable({ origin: "-", detail: error.message }) : error
    )
  )
}

// In real time, whatever the Effect clock says, for it is other processes that look at the file's time. A touch that
// fails needs no report: `isHeld` is asked before every signature.
const keepTouched = (held: SignerLock) =>
  Effect.acquireRelease(
    Effect.sync(() => setInterval(() => void held.touch().catch(() => undefined), 5_000).unref()),
    (timer) => Effect.sync(() => clearInterval(timer))
  )

/** The signer; holds the directory's lock until the scope closes. Fails if another process holds it. */
export const make = Effect.fn("SignerLocal.make")(function*(options: SignerLocalOptions) {
  const { directory } = options
  yield* attempt("-", () => fs.mkdir(directory, { recursive: true, mode: 0o700 }))
  const held = yield* Effect.acquireRelease(
    acquireLock(directory),
    (held) => Effect.promise(() => held.release()).pipe(Effect.ignore)
  )
  yield* keepTouched(held)
  const wrappingKey = options.wrappingKey ?? (yield* attempt("-", () => openWrappingKey(directory)))
  const newSeeds = options.newSeeds ?? randomSeeds
  if (Redacted.value(wrappingKey).length !== 32) {
    return yield* new SignerUnavailable({ origin: "-", detail: "the wrapping key has not 32 bytes" })
  }

  const opened = new Map<Origin, OriginKeys>()
  // The prepared log keys (vkey form) that the chain names, by origin.
  const adopted = new Map<Origin, string>()
  const turnOf = makeOriginTurns()

  // One at a time per origin, and not to be torn: a signature and the state it leaves behind are one step.
  const inTurn = <A, E>(origin: Origin, step: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    turnOf(origin, Effect.uninterruptible(step))

  const keyStore = (origin: Origin) =>
    new SignerKeyStore(origin, signerFile(directory, origin), Redacted.value(wrappingKey))

  const whileHeld = <A>(origin: Origin, write: () => Promise<A>) =>
    attempt(origin, async () => {
      if (!await held.isHeld()) throw new Error("another process took the signer directory over")
      return write()
    })

  const writeState = (origin: Origin, state: StoredState) =>
    whileHeld(origin, () => writeDurably(`${signerFile(directory, origin)}.state`, printState(origin, state)))

  const loadState = (origin: Origin) =>
    attempt(origin, async () => {
      const bytes = await readIfPresent(`${signerFile(directory, origin)}.state`)
      return bytes === null ? null : parseState(origin, bytes)
    })

  const create = Effect.fnUntraced(function*(origin: Origin) {
    const state = yield* loadState(origin)
    if (state !== null && state.size !== 0) {
      const detail = `the keys are missing but size ${state.size} was signed with them; restore them from a backup`
      return yield* new SignerUnavailable({ origin, detail })
    }
    // The state comes first: keys without a state are always a loss, never a crash at this point.
    yield* writeState(origin, { size: 0, root: emptyRoot, clock: 0 })
    return yield* whileHeld(origin, () => keyStore(origin).create(Redacted.value(newSeeds(origin))))
  })

  const keysFor = Effect.fnUntraced(function*(origin: Origin) {
    const known = opened.get(origin)
    if (known !== undefined) return known
    const keys = (yield* attempt(origin, () => keyStore(origin).load())) ?? (yield* create(origin))
    opened.set(origin, keys)
    return keys
  })

  // Read from the disk each time, so that even a second process that took the lock over is seen.
  const stateFor = Effect.fnUntraced(function*(origin: Origin) {
    yield* keysFor(origin)
    const state = yield* loadState(origin)
    if (state === null) {
      const detail = "the state file is missing; restore the newest one, a signer must not start from 0 again"
      return yield* new SignerUnavailable({ origin, detail })
    }
    return state
  })

  const signInTurn = Effect.fnUntraced(function*(request: SignRequest) {
    const { origin, proof, root, size } = request
    const { next, used } = yield* keysFor(origin)
    const last = yield* stateFor(origin)
    const isNamed = (keys: SignerKeys) => request.log === undefined || printVerifierKey(keys.log.key) === request.log
    const advances = !isNamed(used) && next !== null && isNamed(next.keys)
    const keys = advances ? next.keys : used
    const objection = isNamed(keys)
      ? objectionTo(last, { size, root, proof })
      : "the chain names a log key for this size that is neither in use nor prepared here"
    if (objection !== null) {
      const askedSize = Number.isSafeInteger(size) ? size : -1
      return yield* new SignerRefused({ origin, lastSize: last.size, askedSize, detail: objection })
    }
    const seconds = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    const timestamp = Math.max(last.clock, seconds)
    const signed = signCheckpoint({
      checkpoint: { origin, size, root },
      log: keys.log,
      clock: { ...keys.clock, timestamp }
    })
    yield* writeState(origin, { size, root, clock: timestamp })
    // Killed in between, the size is signed and nobody has seen it: it is asked for again, with the same key.
    if (advances) opened.set(origin, yield* whileHeld(origin, () => keyStore(origin).advance(next)))
    return signed
  })

  return Signer.of({
    keys: Effect.fn("SignerLocal.keys")(function*(origin) {
      const { clock, log } = (yield* inTurn(origin, keysFor(origin))).used
      return { log: printVerifierKey(log.key), clock: printVerifierKey(clock.key) }
    }),
    state: Effect.fn("SignerLocal.state")(function*(origin) {
      const { root, size } = yield* inTurn(origin, stateFor(origin))
      return { size, root }
    }),
    sign: Effect.fn("SignerLocal.sign")((request) => inTurn(request.origin, signInTurn(request))),
    signDocument: Effect.fn("SignerLocal.signDocument")(function*(origin, text) {
      const { next, used } = yield* inTurn(origin, keysFor(origin))
      const isAdopted = next !== null && adopted.get(origin) === printVerifierKey(next.keys.log.key)
      const { log } = isAdopted ? next.keys : used
      return yield* Effect.try({
        try: () => printNote(signNote(text, [log])),
        catch: (error) => new SignerUnavailable({ origin, detail: detailOf(error) })
      })
    }),
    prepareKeys: Effect.fn("SignerLocal.prepareKeys")((request) =>
      inTurn(
        request.origin,
        Effect.gen(function*() {
          const { origin } = request
          const before = yield* keysFor(origin)
          const seeds = () => Redacted.value(newSeeds(origin))
          const prepared = yield* whileHeld(origin, () => keyStore(origin).prepare(before, request, seeds))
          opened.set(origin, prepared)
          return prepared.next === null
            ? yield* new SignerUnavailable({ origin, detail: "no keys were prepared" })
            : printPrepared(prepared.next)
        })
      )
    ),
    preparedKeys: Effect.fn("SignerLocal.preparedKeys")(function*(origin) {
      const { next } = yield* inTurn(origin, keysFor(origin))
      return Option.map(Option.fromNullishOr(next), printPrepared)
    }),
    adoptKeys: Effect.fn("SignerLocal.adoptKeys")(function*(origin) {
      const { next } = yield* inTurn(origin, keysFor(origin))
      if (next !== null) adopted.set(origin, printVerifierKey(next.keys.log.key))
    }),
    sealedKeys: Effect.fn("SignerLocal.sealedKeys")((origin) =>
      inTurn(
        origin,
        Effect.flatMap(keysFor(origin), (keys) => attempt(origin, () => keyStore(origin).sealed(keys)))
      )
    )
  })
})

/** Where an origin's files lie in the signer's directory, without their endings. */
export const signerFile = (directory: string, origin: string): string => join(directory, originHash(origin))

/** Why the tree must not be signed after `last`, or null if it extends it. */
export const objectionTo = (
  last: { readonly size: number; readonly root: Uint8Array },
  asked: { readonly size: number; readonly root: Uint8Array; readonly proof: ReadonlyArray<Uint8Array> }
): string | null => {
  const { size, root, proof } = asked
  if (!Number.isSafeInteger(size) || size < 0) return "the size is not an integer from 0 to 2^53 - 1"
  if (root.length !== 32) return "the root has not 32 bytes"
  if (size < last.size) return "the tree is smaller than the one signed last"
  if (size === last.size) {
    if (!equal(root, last.root)) return "another root was signed for this size"
    return proof.length === 0 ? null : "a proof between equal sizes is empty"
  }
  // No proof speaks about the empty tree: every tree extends it (tlog-witness demands an empty proof).
  if (last.size === 0) return proof.length === 0 ? null : "a proof from size 0 is empty"
  return verifyConsistency({ size1: last.size, root1: last.root, size2: size, root2: root, proof })
    ? null
    : "the consistency proof does not show that the tree extends the one signed last"
}

/** The signer as a layer; fails with {@link SignerUnavailable} if the directory is in use or not readable. */
export const layer = (options: SignerLocalOptions): Layer.Layer<Signer, SignerUnavailable> =>
  Layer.effect(Signer, make(options))
