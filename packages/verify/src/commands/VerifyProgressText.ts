/**
 * The progress bar of a verification: how far, how fast, how long to go.
 */
import { formatBytes } from "../ReportText.ts"
import type { VerifyProgress } from "../VerifyArchive.ts"

const width = 20

const duration = (seconds: number): string => {
  if (seconds < 90) return `${Math.max(0, Math.ceil(seconds))} s`
  return seconds < 5400 ? `${Math.ceil(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`
}

/** The bar after `elapsed` ms: entries, bytes a second, and the time the rest takes at the pace so far. */
export const progressText = (progress: VerifyProgress, elapsed: number): string => {
  const { entries, objectBytes, objects, totalEntries } = progress
  const done = totalEntries === 0 ? 0 : Math.min(1, entries / totalEntries)
  const filled = Math.round(done * width)
  const seconds = elapsed / 1000
  const rest = done > 0 && done < 1 && seconds > 1 ? `, ${duration(seconds / done - seconds)} to go` : ""
  const speed = seconds > 0 ? `${formatBytes(Math.round(objectBytes / seconds))}/s` : ""
  return `verifying: [${"#".repeat(filled)}${"-".repeat(width - filled)}] ${entries} of ${totalEntries} entries, ` +
    `${objects} objects, ${formatBytes(objectBytes)} ${speed}${rest}`
}
