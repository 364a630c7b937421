/**
 * Prints the verdicts over the vectors in the file named on the command line, for Node, Bun and Deno.
 */
import { readFileSync } from "node:fs"
import { type Vectors, verdictsOf } from "./Verdicts.ts"

const vectors = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Vectors
process.stdout.write(`${(await verdictsOf(vectors)).join("\n")}\n`)
