/**
 * How long finished bundles are kept: `RAINLOGS_BUNDLE_RETENTION_HOURS`.
 */
import { Config, Schema } from "effect"

/** Seven days. */
export const defaultRetentionHours = 168

/** A year. */
export const mostRetentionHours = 8760

/** The setting in ms; a number outside 1 to 8760 is an error that names it. */
export const bundleRetentionMs: Config.Config<number> = Config.schema(
  Schema.NumberFromString.pipe(
    Schema.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: mostRetentionHours }))
  ),
  "RAINLOGS_BUNDLE_RETENTION_HOURS"
).pipe(Config.withDefault(defaultRetentionHours), Config.map((hours) => hours * 3_600_000))
