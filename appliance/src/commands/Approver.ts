/**
 * `rainlogs approver`: makes an approver's key, and adds an approver's signature to a document after showing it.
 */
import { approve, readApprovable } from "@rainlogs/core/approval/Approval"
import { ApprovalError } from "@rainlogs/core/approval/ApprovalError"
import { makeApproverKey, openApproverKey } from "@rainlogs/core/approval/ApproverKeyFile"
import { syncDirectory, writeDurably, writeTemporary } from "@rainlogs/core/storage/DurableFile"
import { isErrno } from "@rainlogs/core/storage/FileFailure"
import { printVerifierKey } from "@rainlogs/verify/VerifierKey"
import { Console, Effect, Redacted } from "effect"
import { Argument, Command, Flag, Prompt } from "effect/cli"
import { link, open, rm, stat } from "node:fs/promises"
import { dirname, resolve } from "node:path"

const passphraseVariable = "RAINLOGS_APPROVER_PASSPHRASE"
const maxBytes = 1_000_000

const attempt = <A>(run: () => Promise<A> | A): Effect.Effect<A, ApprovalError> =>
  Effect.tryPromise({
    try: async () => run(),
    catch: (cause) => new ApprovalError({ detail: cause instanceof Error ? cause.message : String(cause) })
  })

const readBounded = async (file: string): Promise<Uint8Array> => {
  const handle = await open(file, "r")
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(maxBytes + 1), 0, maxBytes + 1, 0)
    if (bytesRead > maxBytes) throw new Error(`${file} has more than ${maxBytes} bytes: it is no document of a ledger`)
    return new Uint8Array(buffer.subarray(0, bytesRead))
  } finally {
    await handle.close()
  }
}

// A key that is overwritten is lost, so the name must be free.
const writeNew = async (file: string, bytes: Uint8Array): Promise<void> => {
  const temporary = await writeTemporary(file, bytes)
  try {
    await link(temporary, file)
  } catch (cause) {
    throw isErrno(cause, "EEXIST") ? new Error(`${file} exists already: choose another --out`) : cause
  } finally {
    await rm(temporary, { force: true })
  }
  await syncDirectory(dirname(file))
}

const ask = (message: string) => {
  const given = process.env[passphraseVariable]
  if (given !== undefined) return Effect.succeed(Redacted.make(given))
  if (process.stdin.isTTY) return Prompt.run(Prompt.Password({ message }))
  return Effect.fail(
    new ApprovalError({ detail: `there is no terminal to ask for the passphrase: set ${passphraseVariable}` })
  )
}

const create = Command.make("new", {
  name: Flag.String("name").pipe(Flag.withDescription("Name of the key, such as approver.example.eu/dpo")),
  out: Flag.String("out").pipe(Flag.withDescription("File to make for the sealed key"))
}, ({ name, out }) =>
  Effect.gen(function*() {
    const passphrase = yield* ask("Passphrase for the new key")
    if (process.env[passphraseVariable] === undefined) {
      const again = yield* ask("The passphrase again")
      if (Redacted.value(again) !== Redacted.value(passphrase)) {
        return yield* new ApprovalError({ detail: "the two passphrases differ: no key was made" })
      }
    }
    const { bytes, key } = yield* makeApproverKey(name, passphrase)
    yield* attempt(() => writeNew(resolve(out), bytes))
    yield* Console.log(printVerifierKey(key))
  })).pipe(Command.withDescription("Make an approver's key and print its public key, to be named in a policy"))

const sign = Command.make("sign", {
  document: Argument.String("document").pipe(
    Argument.withDescription("Draft or signed note; the signature is added to it")
  ),
  key: Flag.String("key").pipe(Flag.withDescription("File of the approver's key")),
  yes: Flag.Boolean("yes").pipe(Flag.withDescription("Do not ask before signing"), Flag.withDefault(false))
}, ({ document, key, yes }) =>
  Effect.gen(function*() {
    const file = resolve(document)
    const approvable = yield* attempt(async () => readApprovable(await readBounded(file)))
    yield* Console.log(approvable.words.join("\n"))
    const keyText = yield* attempt(async () => {
      if (((await stat(key)).mode & 0o077) !== 0) throw new Error(`others can read ${key}: chmod 600 it`)
      return new TextDecoder().decode(await readBounded(key))
    })
    if (!yes) {
      if (!process.stdin.isTTY) {
        return yield* new ApprovalError({
          detail: "there is no terminal to ask on: read the text above, then add --yes"
        })
      }
      const agreed = yield* Prompt.run(Prompt.Confirm({ message: "Sign this?" }))
      if (!agreed) return yield* new ApprovalError({ detail: "nothing was signed" })
    }
    const signer = Redacted.value(yield* openApproverKey(keyText, yield* ask("Passphrase of the key")))
    const signed = yield* attempt(() => approve(approvable, signer))
    yield* attempt(() => writeDurably(file, signed))
    yield* Console.log(`${document} carries the signature of ${signer.key.name}.`)
  })).pipe(Command.withDescription("Show what a document says, then add an approver's signature to it"))

/** The command. */
export const command = Command.make("approver").pipe(
  Command.withDescription("Keys and signatures of those who approve policies, erasures and releases of holds"),
  Command.withSubcommands([create, sign])
)
