/**
 * What the signer process answers, as HTTP says it. `add-checkpoint` is that of C2SP tlog-witness with one deviation:
 * the checkpoint carries the signature of the request key instead of the log's, for the log's is what is asked for.
 * The answers are the log's signature line and the clock's cosignature.
 */
import { equal } from "@rainlogs/verify/Bytes"
import { type Checkpoint, parseCheckpoint, printCheckpoint } from "@rainlogs/verify/Checkpoint"
import * as Field from "@rainlogs/verify/Field"
import { MalformedError } from "@rainlogs/verify/Malformed"
import { parseNote, signatureLine, verifyNote } from "@rainlogs/verify/Note"
import { parseVerifierKey, printVerifierKey, type VerifierKey } from "@rainlogs/verify/VerifierKey"
import { type AddCheckpoint, parseAddCheckpoint } from "@rainlogs/verify/witness/AddCheckpoint"
import { Effect } from "effect"
import { Origin } from "../domain/Customer.ts"
import type { Signer, SignerUnavailable } from "../ledger/Signer.ts"
import { printPublicKeys } from "./PublicKeys.ts"
import { parseSignable, type SignableDocument } from "./SignableDocument.ts"

/** An answer. */
export interface SignerAnswer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 413 | 422 | 503
  readonly contentType: "text/plain; charset=utf-8" | "text/x.tlog.size"
  readonly body: string
}

/** What the service is made of. */
export interface SignerServiceOptions {
  readonly signer: Signer["Service"]
  /** The public key that must have signed a checkpoint somebody wants signed. */
  readonly requestKey: VerifierKey
  /** Whether the signer has keys of the origin. Only `keys` makes them. */
  readonly isKnown: (origin: Origin) => Effect.Effect<boolean, SignerUnavailable>
}

/** Largest document that is signed, bytes; a signed note has at most a million. */
export const maxDocumentBytes = 900_000

/** An answer of text, with a line end. */
export const textAnswer = (status: SignerAnswer["status"], body: string): SignerAnswer => ({
  status,
  contentType: "text/plain; charset=utf-8",
  body: `${body}\n`
})

const sizeConflict = (size: number): SignerAnswer => ({
  status: 409,
  contentType: "text/x.tlog.size",
  body: `${size}\n`
})

const unknownOrigin = textAnswer(404, "unknown log: its keys are made by POST /keys")

// What is not in the format ends as 400 with the parser's reason.
const read = <A>(parse: () => A): Effect.Effect<A, SignerAnswer> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(parse())
    } catch (error) {
      return error instanceof MalformedError ? Effect.fail(textAnswer(400, error.message)) : Effect.die(error)
    }
  })

/** The answers of one signer; each of them fails only as `SignerUnavailable`, which is 503 to the asker. */
export interface SignerService {
  /** Makes the origin's keys if there are none; answers both, signed. */
  readonly keys: (origin: string) => Effect.Effect<SignerAnswer, SignerUnavailable>
  /** The checkpoint signed last, of size 0 before the first, with the log's signature. */
  readonly state: (origin: string) => Effect.Effect<SignerAnswer, SignerUnavailable>
  readonly addCheckpoint: (body: Uint8Array) => Effect.Effect<SignerAnswer, SignerUnavailable>
  readonly signDocument: (body: Uint8Array) => Effect.Effect<SignerAnswer, SignerUnavailable>
}

/** Builds the service. */
export const make = ({ isKnown, requestKey, signer }: SignerServiceOptions): SignerService => {
  const readOrigin = (text: string) => read(() => Origin.make(Field.origin("origin", text)))

  const knownOrigin = Effect.fnUntraced(function*(text: string) {
    const origin = yield* readOrigin(text)
    return (yield* isKnown(origin)) ? origin : yield* Effect.fail(unknownOrigin)
  })

  const note = (origin: Origin, text: string) =>
    Effect.map(signer.signDocument(origin, text), (bytes): SignerAnswer => ({
      status: 200,
      contentType: "text/plain; charset=utf-8",
      body: new TextDecoder().decode(bytes)
    }))

  const keys = Effect.fnUntraced(function*(text: string) {
    const origin = yield* readOrigin(text)
    const { clock, log } = yield* signer.keys(origin)
    return yield* note(
      origin,
      printPublicKeys({ origin, log: parseVerifierKey(log), clock: parseVerifierKey(clock) })
    )
  })

  const state = Effect.fnUntraced(function*(text: string) {
    const origin = yield* knownOrigin(text)
    return yield* note(origin, printCheckpoint({ origin, ...(yield* signer.state(origin)) }))
  })

  const sign = Effect.fnUntraced(function*(origin: Origin, { old, proof }: AddCheckpoint, { root, size }: Checkpoint) {
    const last = yield* signer.state(origin)
    if (old !== last.size) return sizeConflict(last.size)
    if (size === last.size && !equal(root, last.root)) return textAnswer(409, "another root was signed for this size")
    return yield* signer.sign({ origin, size, root, proof }).pipe(
      Effect.map(({ served }): SignerAnswer => ({
        status: 200,
        contentType: "text/plain; charset=utf-8",
        body: parseNote(served).signatures.map((line) => `${signatureLine(line)}\n`).join("")
      })),
      Effect.catchTag(
        "SignerRefused",
        ({ detail, lastSize }) => Effect.succeed(lastSize === old ? textAnswer(422, detail) : sizeConflict(lastSize))
      )
    )
  })

  const addCheckpoint = Effect.fnUntraced(function*(body: Uint8Array) {
    const request = yield* read(() => parseAddCheckpoint(body))
    const checkpoint = yield* read(() => parseCheckpoint(request.checkpoint.text))
    const origin = yield* knownOrigin(checkpoint.origin)
    const { bad, verified } = verifyNote(request.checkpoint, [requestKey])
    if (bad.length > 0 || verified.length === 0) return textAnswer(403, "not signed with the request key")
    if (request.old > checkpoint.size) return textAnswer(400, "the old size is larger than the checkpoint's")
    return yield* sign(origin, request, checkpoint)
  })

  const holds = Effect.fnUntraced(function*(origin: Origin, document: SignableDocument) {
    const own = yield* signer.keys(origin)
    return document.keys.every((key) => [own.log, own.clock].includes(printVerifierKey(key)))
  })

  const signDocument = Effect.fnUntraced(function*(body: Uint8Array) {
    if (body.length > maxDocumentBytes) {
      return textAnswer(413, `a document has at most ${maxDocumentBytes} bytes`)
    }
    const text = new TextDecoder("latin1").decode(body)
    const document = yield* read(() => parseSignable(text))
    const origin = yield* knownOrigin(document.origin)
    if (!(yield* holds(origin, document))) {
      return textAnswer(422, "the document names keys that this signer does not hold")
    }
    const answer = yield* note(origin, text)
    yield* Effect.logInfo(`signed a document of ${origin}: ${document.format}`)
    return answer
  })

  const answered = <E>(effect: Effect.Effect<SignerAnswer, SignerAnswer | E>): Effect.Effect<SignerAnswer, E> =>
    Effect.catchIf(
      effect,
      (failure): failure is SignerAnswer => typeof failure === "object" && failure !== null && "status" in failure,
      Effect.succeed
    ) as Effect.Effect<SignerAnswer, E>

  return {
    keys: (origin) => answered(keys(origin)),
    state: (origin) => answered(state(origin)),
    addCheckpoint: (body) => answered(addCheckpoint(body)),
    signDocument: (body) => answered(signDocument(body))
  }
}
