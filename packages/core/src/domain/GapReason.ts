/**
 * Why a window was not collected (ledger format §3).
 */
import { gapReasons } from "@rainlogs/verify/Gap"
import { Schema } from "effect"

/**
 * `expired`: the source has forgotten it. `blocked`: the source kept nothing. `outage`: Rainlogs did not listen.
 * `session`: between two sessions of a stream. `overflow`: more records than the source hands out.
 * `erased-at-source`: the source had erased it. `unknown`: nothing says why.
 */
export const GapReason = Schema.Literals(gapReasons)
export type GapReason = typeof GapReason.Type
