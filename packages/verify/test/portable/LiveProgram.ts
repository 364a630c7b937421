/**
 * Prints the report over the live ledger at the URL and with the key on the command line, for Node, Bun and Deno.
 */
import { liveReport } from "./LiveReport.ts"

process.stdout.write(await liveReport(process.argv[2] ?? "", process.argv[3] ?? ""))
