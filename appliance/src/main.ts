/**
 * The `rainlogs` command from source: PostgreSQL's programs come from the npm package.
 */
import * as MemoryLimit from "./MemoryLimit.ts"

MemoryLimit.apply()
// Loaded only now: a process that restarts itself need not have read the whole program before.
const { start } = await import("./Program.ts")
await start(undefined)
