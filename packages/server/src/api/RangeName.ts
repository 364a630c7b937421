/**
 * What a download of a range of one zone is called.
 */
import type { ZoneId } from "@rainlogs/core/domain/Identifier"
import type { Window } from "@rainlogs/core/domain/Window"

const time = (ms: number): string => new Date(ms).toISOString().replace(/\.\d{3}Z$/, "Z").replaceAll(/[-:]/g, "")

/** `<zone id>-<from>-<to>`, times as `20260101T000000Z`; only letters, digits and `-`. */
export const rangeName = (zone: ZoneId, { from, to }: Window): string => `${zone}-${time(from)}-${time(to)}`
