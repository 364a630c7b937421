/**
 * `rainlogs-verify compare A B`: whether two copies of a ledger show one history.
 */
import { writeFile } from "node:fs/promises"
import { parseArgs } from "node:util"
import { compareArchives, type Comparison } from "../CompareArchives.ts"
import { printEquivocation } from "../EquivocationProof.ts"
import { verify as verifySignature } from "../node/NativeEd25519.ts"
import { type CommandOutput, type ExitCode, logKeyOf, parseKey, UsageError } from "./CommandLine.ts"
import { withArchive } from "./OpenArchive.ts"

const parse = (argv: ReadonlyArray<string>) => {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        key: { type: "string", multiple: true },
        out: { type: "string" },
        json: { type: "boolean", default: false }
      }
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

const text = (comparison: Comparison, proof: string | null, out: string | undefined): string => {
  const { consistent, contradiction, findings, origin, sizes, verdict } = comparison
  const lines = [
    `Ledger  ${origin}`,
    `Heads   A ${sizes[0]} entries, B ${sizes[1]} entries; ${consistent} signed heads belong to one history`,
    `Verdict ${verdict.toUpperCase()}`,
    ...findings.map(({ code, detail, key }) => `  ${code}: ${detail}${key === undefined ? "" : ` (${key})`}`)
  ]
  if (contradiction !== null) lines.push("The log signed two histories:", ...contradiction.map((name) => `  ${name}`))
  if (proof !== null) {
    lines.push(
      out === undefined
        ? "The proof, which stands on its own; --out FILE writes it. Check it with: rainlogs-verify proof FILE --key VKEY"
        : `The proof is in ${out}. Check it with: rainlogs-verify proof ${out} --key VKEY`
    )
    if (out === undefined) lines.push("", proof.trimEnd())
  }
  return `${lines.join("\n")}\n`
}

/** Runs the command: 0 one history, 1 two histories proven, 2 cannot conclude, 3 malformed heads. */
export const compareCommand = async (argv: ReadonlyArray<string>, output: CommandOutput): Promise<ExitCode> => {
  const { positionals, values } = parse(argv)
  const [first, second, ...more] = positionals
  if (first === undefined || second === undefined || more.length > 0) {
    throw new UsageError("compare takes two archives: rainlogs-verify compare A B --key VKEY")
  }
  const logKey = logKeyOf((values.key ?? []).map(parseKey))
  const comparison = await withArchive(
    first,
    (left) => withArchive(second, (right) => compareArchives([left.reader, right.reader], { logKey, verifySignature }))
  )
  const proof = comparison.proof === null ? null : printEquivocation(comparison.proof)
  if (proof !== null && values.out !== undefined) await writeFile(values.out, proof)
  output.stdout.write(
    values.json
      ? `${JSON.stringify({ schema: "rainlogs-comparison/v1", ...comparison, proof }, null, 2)}\n`
      : text(comparison, proof, values.out)
  )
  if (comparison.verdict === "equivocation") return 1
  if (comparison.findings.some(({ severity }) => severity === "malformed")) return 3
  return comparison.verdict === "consistent" ? 0 : 2
}
