/**
 * `rainlogs-verify line PROOF LINE`: whether one line was archived where its proof says.
 */
import { parseArgs } from "node:util"
import { verify as verifySignature } from "../node/NativeEd25519.ts"
import { parseLineProof, verifyLineProof } from "../records/LineProof.ts"
import { type CommandOutput, type ExitCode, parseKey, readSmallFile, UsageError } from "./CommandLine.ts"

const parse = (argv: ReadonlyArray<string>) => {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { key: { type: "string", multiple: true }, json: { type: "boolean", default: false } }
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

const time = (ms: number): string => new Date(Math.min(ms, 8.64e15)).toISOString().replace(".000Z", "Z")

/** Runs the command: 0 proven, 1 refuted, 3 malformed. */
export const lineCommand = async (argv: ReadonlyArray<string>, output: CommandOutput): Promise<ExitCode> => {
  const { positionals, values } = parse(argv)
  const [proofPath, linePath, ...more] = positionals
  if (proofPath === undefined || linePath === undefined || more.length > 0) {
    throw new UsageError("line takes a proof and the line: rainlogs-verify line LINE.proof LINE.json --key VKEY")
  }
  const keys = (values.key ?? []).map(parseKey).filter(({ type }) => type === 1)
  if (keys.length === 0) {
    throw new UsageError("pass --key with the log's verifier key; the proof cannot vouch for itself")
  }
  const proof = parseLineProof(await readSmallFile("the proof", proofPath))
  const stored = await readSmallFile("the line", linePath)
  const line = stored.at(-1) === 0x0a ? stored.subarray(0, -1) : stored
  const verdict = verifyLineProof(proof, line, keys, verifySignature)
  if (values.json) {
    const facts = verdict.objection === null
      ? {
        origin: verdict.entry.origin,
        chain: verdict.entry.chain,
        seq: verdict.entry.seq,
        window: verdict.entry.window,
        line: proof.line
      }
      : {}
    output.stdout.write(
      `${
        JSON.stringify({
          schema: "rainlogs-line/v1",
          proven: verdict.objection === null,
          objection: verdict.objection,
          ...facts
        })
      }\n`
    )
  } else if (verdict.objection === null) {
    const { chain, origin, records, source, window } = verdict.entry
    output.stdout.write(
      `PROVEN: line ${proof.line} of ${records}, ${source} of ${chain}, ${time(window.from)} to ${time(window.to)},\n` +
        `is in the ledger ${origin} under a signed head of ${verdict.checkpoint.size} entries.\n` +
        "When it was archived is attested only by anchors: verify the archive or a bundle for that.\n"
    )
  } else {
    output.stdout.write(`NOT PROVEN: ${verdict.objection}\n`)
  }
  return verdict.objection === null ? 0 : 1
}
