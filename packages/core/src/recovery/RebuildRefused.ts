/**
 * Why a database is not rebuilt.
 */
import { Schema } from "effect"

/** The database cannot be rebuilt; the message says why and what to do. Customers that were restored before are whole. */
export class RebuildRefused extends Schema.TaggedError<RebuildRefused>()("RebuildRefused", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}
