/**
 * The progress bars of a verification and of the download before it: how far, how fast, how long to go.
 */
import type { HttpProgress } from "../HttpReader.ts"
import { formatBytes } from "../ReportText.ts"
import type { VerifyProgress } from "../VerifyArchive.ts"

const width = 20

const duration = (seconds: number): string => {
  if (seconds < 90) return `${Math.max(0, Math.ceil(seconds))} s`
  return seconds < 5400 ? `${Math.ceil(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`
}

const bar = (done: number): string => {
  const filled = Math.round(done * width)
  return `[${"#".repeat(filled)}${"-".repeat(width - filled)}]`
}

const toGo = (done: number, seconds: number): string =>
  done > 0 && done < 1 && seconds > 1 ? `, ${duration(seconds / done - seconds)} to go` : ""

const part = (of: { readonly entries: number; readonly totalEntries: number }): number =>
  of.totalEntries === 0 ? 0 : Math.min(1, of.entries / of.totalEntries)

const perSecond = (bytes: number, seconds: number): string =>
  seconds > 0 ? `${formatBytes(Math.round(bytes / seconds))}/s` : ""

/** The bar after `elapsed` ms: entries, bytes a second, and the time the rest takes at the pace so far. */
export const progressText = (progress: VerifyProgress, elapsed: number): string => {
  const { entries, objectBytes, objects, totalEntries } = progress
  const done = part(progress)
  const seconds = elapsed / 1000
  return `verifying: ${bar(done)} ${entries} of ${totalEntries} entries, ` +
    `${objects} objects, ${formatBytes(objectBytes)} ${perSecond(objectBytes, seconds)}${toGo(done, seconds)}`
}

/** The bar of a download after `elapsed` ms. */
export const downloadText = (progress: HttpProgress, elapsed: number): string => {
  const { bytes, entries, totalEntries } = progress
  const done = part(progress)
  const seconds = elapsed / 1000
  return `downloading: ${bar(done)} ${entries} of ${totalEntries} entries, ` +
    `${formatBytes(bytes)} ${perSecond(bytes, seconds)}${toGo(done, seconds)}`
}
