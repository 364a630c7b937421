/**
 * Why an approver's key or signature was refused.
 */
import { Schema } from "effect"

/** `detail` says what is wrong and what to do. */
export class ApprovalError extends Schema.TaggedError<ApprovalError>()("ApprovalError", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}
