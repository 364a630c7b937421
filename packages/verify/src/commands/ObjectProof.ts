/**
 * `rainlogs-verify object FILE PROOF`: whether one stored object is the one that a ledger's entry names, and the entry
 * is in the signed tree. And `rainlogs-verify proof FILE`: whether a log equivocated.
 */
import { createReadStream } from "node:fs"
import { parseArgs } from "node:util"
import { decode } from "../Ascii.ts"
import { parseEntry } from "../Entry.ts"
import { objectionTo, parseEquivocation } from "../EquivocationProof.ts"
import * as Hex from "../Hex.ts"
import { newHash } from "../node/BundleFile.ts"
import { verify as verifySignature } from "../node/NativeEd25519.ts"
import { parseTlogProof, verifyTlogProof } from "../TlogProof.ts"
import type { VerifierKey } from "../VerifierKey.ts"
import { type CommandOutput, type ExitCode, parseKey, readSmallFile, UsageError } from "./CommandLine.ts"

const parse = (argv: ReadonlyArray<string>) => {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        key: { type: "string", multiple: true },
        entry: { type: "string" },
        json: { type: "boolean", default: false }
      }
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

const logKeys = (values: { readonly key?: Array<string> | undefined }): Array<VerifierKey> => {
  const keys = (values.key ?? []).map(parseKey).filter(({ type }) => type === 1)
  if (keys.length === 0) throw new UsageError("pass --key with the log's verifier key; a proof cannot vouch for itself")
  return keys
}

const digestOf = async (path: string): Promise<{ sha256: string; size: number }> => {
  const hash = newHash()
  let size = 0
  for await (const chunk of createReadStream(path)) {
    if (!(chunk instanceof Uint8Array)) continue
    hash.update(chunk)
    size += chunk.length
  }
  return { sha256: Hex.encode(await hash.digest()), size }
}

/** Runs `object`: 0 proven, 1 refuted, 3 malformed. */
export const objectCommand = async (argv: ReadonlyArray<string>, output: CommandOutput): Promise<ExitCode> => {
  const { positionals, values } = parse(argv)
  const [path, proofPath, ...more] = positionals
  if (path === undefined || proofPath === undefined || more.length > 0) {
    throw new UsageError("object takes a file and its proof: rainlogs-verify object FILE FILE.tlog-proof --key VKEY")
  }
  const keys = logKeys(values)
  const proof = parseTlogProof(await readSmallFile("the proof", proofPath))
  const text = values.entry === undefined ? proof.extra : await readSmallFile("--entry", values.entry)
  if (text === null) throw new UsageError("the proof does not carry the entry; pass it with --entry FILE")
  const included = verifyTlogProof(text, proof, keys, verifySignature)
  const entry = parseEntry(text)
  const { sha256, size } = await digestOf(path)
  const objection = included.objection !== null
    ? included.objection
    : sha256 === entry.object && size === entry.size
    ? null
    : `the file is not the object of the entry: its SHA-256 is ${sha256}, expected ${entry.object}`
  const facts = { proven: objection === null, objection, origin: entry.origin, chain: entry.chain, seq: entry.seq }
  if (values.json) output.stdout.write(`${JSON.stringify({ schema: "rainlogs-object/v1", ...facts })}\n`)
  else if (objection === null) {
    output.stdout.write(`PROVEN: ${path} is entry ${entry.seq} of ${entry.chain} in ${entry.origin}\n`)
  } else output.stdout.write(`NOT PROVEN: ${objection}\n`)
  return objection === null ? 0 : 1
}

/** Runs `proof`: 1 when the file proves that the log signed two histories, 0 when it proves nothing, 3 malformed. */
export const proofCommand = async (argv: ReadonlyArray<string>, output: CommandOutput): Promise<ExitCode> => {
  const { positionals, values } = parse(argv)
  const [path, ...more] = positionals
  if (path === undefined || more.length > 0) {
    throw new UsageError("proof takes one file: rainlogs-verify proof FILE --key VKEY")
  }
  const keys = logKeys(values)
  const objection = objectionTo(
    parseEquivocation(decode(await readSmallFile("the proof", path))),
    keys,
    verifySignature
  )
  if (values.json) {
    output.stdout.write(
      `${JSON.stringify({ schema: "rainlogs-equivocation/v1", proven: objection === null, objection })}\n`
    )
  } else {
    output.stdout.write(
      objection === null ? "EQUIVOCATION PROVEN: the log signed two histories\n" : `NOTHING PROVEN: ${objection}\n`
    )
  }
  return objection === null ? 1 : 0
}
