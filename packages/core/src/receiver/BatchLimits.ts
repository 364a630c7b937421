/**
 * How large a pushed batch may be. Cloudflare's own bounds: at most 1 GB of log lines before compression in one upload
 * (Cloudflare page «API configuration», `max_upload_bytes`).
 */
import { Schema } from "effect"

/** All in bytes. */
export interface BatchLimits {
  /** The body as it is sent. */
  readonly sentBytes: number
  /** The body after decompression. */
  readonly plainBytes: number
  /** The longest line, without its LF. */
  readonly lineBytes: number
}

/** 256 MiB sent, 1 GiB of lines, 16 MiB a line. */
export const defaultBatchLimits: BatchLimits = {
  sentBytes: 256 * 1024 ** 2,
  plainBytes: 1024 ** 3,
  lineBytes: 16 * 1024 ** 2
}

/** Why a batch is refused; nothing of it is kept. */
export class BatchRefused extends Schema.TaggedError<BatchRefused>()("BatchRefused", {
  reason: Schema.Literals(["too-large", "decompressed-too-large", "line-too-long", "damaged", "cut"]),
  detail: Schema.String
}) {}
