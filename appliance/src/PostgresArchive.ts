/**
 * Where the embedded PostgreSQL's programs come from: the npm package when running from source, an archive inside the
 * executable in the single binary.
 */
import { Context } from "effect"

/** Path of the tar.zst file with the programs; undefined (the default) for the npm package's. */
export const PostgresArchive = Context.Reference<string | undefined>("@rainlogs/appliance/PostgresArchive", {
  defaultValue: () => undefined
})
