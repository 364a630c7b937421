/**
 * What the signer process knows of its directory beyond the port: which origins have keys, and whether it can write.
 */
import { Effect } from "effect"
import * as fs from "node:fs/promises"
import { join } from "node:path"
import type { Origin } from "../domain/Customer.ts"
import { SignerUnavailable } from "../ledger/Signer.ts"
import { signerFile } from "../ledger/SignerLocal.ts"
import { readIfPresent, writeTemporary } from "../storage/DurableFile.ts"

/** Whether `SignerLocal` keeps keys of the origin in the directory. */
export const hasKeys = (directory: string, origin: Origin): Effect.Effect<boolean, SignerUnavailable> =>
  Effect.tryPromise({
    try: async () => await readIfPresent(`${signerFile(directory, origin)}.keys`) !== null,
    catch: (error) => new SignerUnavailable({ origin, detail: error instanceof Error ? error.message : String(error) })
  })

/** Whether a file can be written and fsynced in the directory: false on a full or read-only disk. */
export const isWritable = (directory: string): Effect.Effect<boolean> =>
  Effect.tryPromise(async () => fs.rm(await writeTemporary(join(directory, "health"), new Uint8Array(1)))).pipe(
    Effect.as(true),
    Effect.catch((error) => Effect.as(Effect.logError("the signer's directory cannot be written", error), false))
  )
