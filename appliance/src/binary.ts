/**
 * The `rainlogs` command as one executable: `bun build --compile` embeds the archive with PostgreSQL's programs.
 */
import postgresArchive from "../../dist/assets/postgres.tar.zst" with { type: "file" }
import { start } from "./Program.ts"

await start(postgresArchive)
