/**
 * Files that commands leave for approvers to sign, and read back when they were.
 */
import { writeDurably } from "@rainlogs/core/storage/DurableFile"
import { Effect, Schema } from "effect"
import { access, readFile } from "node:fs/promises"
import { resolve } from "node:path"

/** The file cannot be read or written; the message says why. */
export class LedgerFileUnusable
  extends Schema.TaggedError<LedgerFileUnusable>()("LedgerFileUnusable", { detail: Schema.String })
{
  override get message(): string {
    return this.detail
  }
}

const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, LedgerFileUnusable> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => new LedgerFileUnusable({ detail: cause instanceof Error ? cause.message : String(cause) })
  })

/** The text of a draft or of a signed document. */
export const readDocument = (file: string) => attempt(() => readFile(resolve(file), "utf8"))

/** Writes a draft to a file that must not exist yet: it may hold signatures. */
export const writeDraft = (file: string, document: string) =>
  attempt(async () => {
    const taken = await access(resolve(file)).then(() => true, () => false)
    if (taken) throw new Error(`${file} exists already, and may hold signatures: choose another --out`)
    await writeDurably(resolve(file), new TextEncoder().encode(document))
  })
