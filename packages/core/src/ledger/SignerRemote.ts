/**
 * Adapter of {@link Signer}: the keys are in a process of their own (`rainlogs signer`), asked over HTTP. No answer is
 * believed: keys and state come as notes signed by the log key, signatures are verified over what was asked for, and
 * the keys that were named first count for as long as this process lives. The ledger's genesis pins them beyond that.
 */
import { equal } from "@rainlogs/verify/Bytes"
import { parseCheckpoint, printCheckpoint } from "@rainlogs/verify/Checkpoint"
import { parseNote, printNote, signNote, verifyNote } from "@rainlogs/verify/Note"
import { printVerifierKey } from "@rainlogs/verify/VerifierKey"
import { printAddCheckpoint } from "@rainlogs/verify/witness/AddCheckpoint"
import { Effect, Layer, Option, Redacted } from "effect"
import type { HttpClient } from "effect/http"
import type { Origin } from "../domain/Customer.ts"
import { parsePublicKeys, type PublicKeys } from "../signer/PublicKeys.ts"
import { makeSignerCalls } from "../signer/SignerCalls.ts"
import { requestKey } from "../signer/SignerToken.ts"
import { makeOriginTurns } from "./OriginTurns.ts"
import { Signer, SignerRefused, SignerUnavailable } from "./Signer.ts"
import { objectionTo } from "./SignerLocal.ts"

type SignRequest = Parameters<Signer["Service"]["sign"]>[0]

/** Where the signer process is. */
export interface SignerRemoteOptions {
  /** Base URL of its answers; over a Unix socket the client decides where it leads. */
  readonly url: string
  /** What errors call it, without secrets. */
  readonly name: string
  /** The text of the signer's `request.token`. */
  readonly token: Redacted.Redacted<string>
  /** How long one answer may take, ms; 10 000 when left out. */
  readonly timeoutMs?: number
}

/** The signer; asks nothing before it is used, so that the archive starts while the signer is away. */
export const make = Effect.fn("SignerRemote.make")(function*(options: SignerRemoteOptions) {
  const { name, token } = options
  const call = yield* makeSignerCalls(options)
  const request = requestKey(token)
  const pins = new Map<Origin, PublicKeys>()
  const inTurn = makeOriginTurns()

  const unavailable = (origin: Origin, detail: string) =>
    new SignerUnavailable({ origin, detail: `${name}: ${detail}` })

  // Somebody else answers in the signer's place, or it is broken: asking again gives no better answer.
  const lie = (origin: Origin, what: string) => {
    const error = unavailable(
      origin,
      `${what}. Nothing of it is used; check that the URL leads to this ledger's signer`
    )
    return Effect.andThen(Effect.logError(`the signer's answer is false: ${error.detail}`), Effect.fail(error))
  }

  const reading = <A>(origin: Origin, what: string, read: () => A) =>
    Effect.try({ try: read, catch: String }).pipe(Effect.catch((reason) => lie(origin, `${what}: ${reason}`)))

  // A note in which both, or the log's, signatures hold.
  const readSigned = (bytes: Uint8Array, keys: PublicKeys, expected: "log" | "log and clock") => {
    const note = parseNote(bytes)
    const { bad, verified } = verifyNote(note, [keys.log, keys.clock])
    const wanted = expected === "log" ? [keys.log] : [keys.log, keys.clock]
    if (bad.length > 0 || wanted.some((key) => !verified.includes(key)) || note.signatures.length !== wanted.length) {
      throw new Error("it is not signed with the keys the signer named")
    }
    return note
  }

  const unexpected = (origin: Origin, what: string, { body, status }: { status: number; body: Uint8Array }) =>
    unavailable(
      origin,
      `${what} was answered with ${status}: ${new TextDecoder("latin1").decode(body.subarray(0, 300)).trim()}`
    )

  const query = (origin: Origin) => `?origin=${encodeURIComponent(origin)}`

  const keysFor = Effect.fnUntraced(function*(origin: Origin) {
    const answer = yield* call({ origin, method: "POST", path: `/keys${query(origin)}`, body: null, repeat: "yes" })
    if (answer.status !== 200) return yield* unexpected(origin, "the question for its keys", answer)
    const keys = yield* reading(origin, "its keys", () => {
      const named = parsePublicKeys(parseNote(answer.body).text)
      readSigned(answer.body, named, "log")
      if (named.origin !== origin) throw new Error(`they are those of ${named.origin}`)
      return named
    })
    const pinned = pins.get(origin) ?? keys
    if (
      printVerifierKey(pinned.log) !== printVerifierKey(keys.log) ||
      printVerifierKey(pinned.clock) !== printVerifierKey(keys.clock)
    ) {
      return yield* lie(origin, "it names other keys than before")
    }
    pins.set(origin, keys)
    return keys
  })

  const pinnedKeys = (origin: Origin) => {
    const known = pins.get(origin)
    return known === undefined ? keysFor(origin) : Effect.succeed(known)
  }

  const stateFor = Effect.fnUntraced(function*(origin: Origin) {
    const keys = yield* pinnedKeys(origin)
    const answer = yield* call({ origin, method: "GET", path: `/state${query(origin)}`, body: null, repeat: "yes" })
    if (answer.status !== 200) return yield* unexpected(origin, "the question for its state", answer)
    return yield* reading(origin, "its state", () => {
      const { origin: named, ...state } = parseCheckpoint(readSigned(answer.body, keys, "log").text)
      if (named !== origin) throw new Error(`it is that of ${named}`)
      return state
    })
  })

  const signInTurn = Effect.fnUntraced(function*({ log, origin, proof, root, size }: SignRequest) {
    const keys = yield* pinnedKeys(origin)
    if (log !== undefined && log !== printVerifierKey(keys.log)) {
      return yield* unavailable(
        origin,
        `the chain names ${log} for size ${size}, and it holds ${printVerifierKey(keys.log)}`
      )
    }
    const last = yield* stateFor(origin)
    const refused = (lastSize: number, detail: string) =>
      new SignerRefused({ origin, lastSize, askedSize: Number.isSafeInteger(size) ? size : -1, detail })
    const objection = objectionTo(last, { size, root, proof })
    if (objection !== null) return yield* refused(last.size, objection)
    const text = printCheckpoint({ origin, size, root })
    const checkpoint = signNote(text, [Redacted.value(request)])
    const body = printAddCheckpoint({ old: last.size, proof, checkpoint })
    // Not asked again: the answer may be lost after the signature, and the publisher begins with the new state.
    const answer = yield* call({ origin, method: "POST", path: "/add-checkpoint", body, repeat: "no" })
    const said = new TextDecoder().decode(answer.body)
    if (answer.status === 409 && answer.contentType === "text/x.tlog.size") {
      if (!/^(0|[1-9]\d{0,15})\n$/.test(said)) return yield* lie(origin, "it answers 409 without a size")
      return yield* refused(Number(said), `the signer has signed size ${said.trim()} meanwhile`)
    }
    if (answer.status === 409 || answer.status === 422) return yield* refused(last.size, said.trim())
    if (answer.status !== 200) return yield* unexpected(origin, `the checkpoint of size ${size}`, answer)
    return yield* reading(origin, `its signatures for size ${size}`, () => {
      const served = new TextEncoder().encode(`${text}\n${said}`)
      const note = readSigned(served, keys, "log and clock")
      if (note.text !== text) throw new Error("they are for another text")
      const log = note.signatures.filter((line) => line.id === keys.log.id && line.name === keys.log.name)
      return { immutable: printNote({ text, signatures: log }), served: printNote(note) }
    })
  })

  return Signer.of({
    keys: Effect.fn("SignerRemote.keys")(function*(origin) {
      const { clock, log } = yield* keysFor(origin)
      return { log: printVerifierKey(log), clock: printVerifierKey(clock) }
    }),
    state: Effect.fn("SignerRemote.state")((origin) => stateFor(origin)),
    sign: Effect.fn("SignerRemote.sign")((request) => inTurn(request.origin, signInTurn(request))),
    signDocument: Effect.fn("SignerRemote.signDocument")(function*(origin, text) {
      const keys = yield* pinnedKeys(origin)
      const body = new TextEncoder().encode(text)
      const answer = yield* call({ origin, method: "POST", path: "/sign-document", body, repeat: "yes" })
      if (answer.status !== 200) return yield* unexpected(origin, "a document", answer)
      return yield* reading(origin, "its signed document", () => {
        const note = readSigned(answer.body, keys, "log")
        if (!equal(new TextEncoder().encode(note.text), body)) throw new Error("it is another document")
        return printNote(note)
      })
    }),
    // Whoever has the token signs checkpoints, and no more: keys are changed where they are, with the signer stopped.
    prepareKeys: Effect.fn("SignerRemote.prepareKeys")(({ origin }) =>
      Effect.fail(
        unavailable(
          origin,
          "a signer process does not change its keys. Stop both, move the signer's directory to signer/ of the data " +
            "directory, unset RAINLOGS_SIGNER_URL, run the rainlogs keys command again, start rainlogs until the new key has " +
            "signed, and move the directory back"
        )
      )
    ),
    preparedKeys: () => Effect.succeed(Option.none()),
    adoptKeys: () => Effect.void,
    sealedKeys: () => Effect.succeed([])
  })
})

/** The signer as a layer. */
export const layer = (options: SignerRemoteOptions): Layer.Layer<Signer, never, HttpClient.HttpClient> =>
  Layer.effect(Signer, make(options))
