/**
 * The `rainlogs` command from source: PostgreSQL's programs come from the npm package.
 */
import { start } from "./Program.ts"

await start(undefined)
