/**
 * The `rainlogs` command as one executable: `bun build --compile` embeds the archive with PostgreSQL's programs.
 */
import postgresArchive from "../../dist/assets/postgres.tar.zst" with { type: "file" }
import * as MemoryLimit from "./MemoryLimit.ts"

MemoryLimit.apply()
const { start } = await import("./Program.ts")
await start(postgresArchive)
