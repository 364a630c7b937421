/**
 * The version this server reports: that of its package.
 */
import manifest from "@rainlogs/server/package.json" with { type: "json" }

/** Semantic version, e.g. `0.1.0`. */
export const version: string = manifest.version
