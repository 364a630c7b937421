/**
 * A campaign against the verifier, on every core: `bundle-mutations` looks for false accepts, `valid-archives` for false
 * alarms. The sequence depends on the seed alone, not on how it is split among the threads.
 */
import type { BundleOutcome } from "@rainlogs/verify/tampering/BundleCampaign"
import type { ArchivesOutcome } from "@rainlogs/verify/tampering/ValidArchives"
import { availableParallelism } from "node:os"
import { Worker } from "node:worker_threads"

/** The campaigns by name, with how many attempts they make unless told otherwise. */
export const campaigns = { "bundle-mutations": 1_000_000, "valid-archives": 10_000 } as const
/** Name of a campaign. */
export type CampaignName = keyof typeof campaigns

/** A part of a campaign's sequence. */
export interface Part {
  readonly first: number
  readonly count: number
}

/** What a thread answers to a part. */
export type PartOutcome = BundleOutcome | ArchivesOutcome

/** How a campaign ended. */
export interface CampaignResult {
  readonly campaign: CampaignName
  readonly seed: number
  readonly count: number
  readonly threads: number
  readonly seconds: number
  readonly perSecond: number
  /** False accepts, false alarms and crashes, each with the number that repeats it. Empty when the verifier is right. */
  readonly wrong: ReadonlyArray<string>
  /** Numbers of this campaign, added up over all parts; the same for the same seed and count. */
  readonly counts: Readonly<Record<string, number>>
}

interface Request extends Part {
  readonly campaign: CampaignName
  readonly seed: number
  readonly threads?: number
  readonly onProgress?: (done: number, perSecond: number) => void
}

// Long enough that the messages between threads cost nothing, short enough that progress is seen.
const partSizes: Readonly<Record<CampaignName, number>> = { "bundle-mutations": 1000, "valid-archives": 20 }

const wrongOf = (outcome: PartOutcome): ReadonlyArray<string> =>
  "falseAlarms" in outcome
    ? outcome.falseAlarms.map((text) => `FALSE ALARM ${text}`)
    : [
      ...outcome.falseAccepts.map((text) => `FALSE ACCEPT ${text}`),
      ...outcome.crashes.map((text) => `CRASH ${text}`)
    ]

const countsOf = (outcome: PartOutcome): Record<string, number> => {
  if ("falseAlarms" in outcome) {
    const { archives, complete, entries, verifications, withFullTiles } = outcome
    return { archives, complete, entries, verifications, withFullTiles }
  }
  const { exits, mutations, tried, unchanged } = outcome
  return {
    tried,
    unchanged,
    ...Object.fromEntries(Object.entries(exits).map(([code, times]) => [`exit ${code}`, times])),
    ...mutations
  }
}

/** Runs a campaign; rejects when a thread cannot be started or ends before its work. */
export const runCampaign = async (request: Request): Promise<CampaignResult> => {
  const { campaign, count, first, onProgress, seed, threads = availableParallelism() } = request
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1000
  const wrong: Array<string> = []
  const counts = new Map<string, number>()
  let [next, done] = [first, 0]
  const take = (): Part | null => {
    if (next >= first + count) return null
    const part = { first: next, count: Math.min(partSizes[campaign], first + count - next) }
    next += part.count
    return part
  }
  const runThread = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL("CampaignThread.ts", import.meta.url), { workerData: { campaign, seed } })
      worker.on("error", reject)
      worker.on("exit", (code) => code === 0 ? resolve() : reject(new Error(`a thread ended with ${code}`)))
      const give = () => worker.postMessage(take())
      worker.on("message", (outcome: PartOutcome) => {
        wrong.push(...wrongOf(outcome))
        for (const [name, times] of Object.entries(countsOf(outcome))) counts.set(name, (counts.get(name) ?? 0) + times)
        done += "falseAlarms" in outcome ? outcome.archives : outcome.tried
        onProgress?.(done, done / seconds())
        give()
      })
      give()
    })
  await Promise.all(Array.from({ length: threads }, runThread))
  return {
    campaign,
    seed,
    count: done,
    threads,
    seconds: Math.round(seconds() * 10) / 10,
    perSecond: Math.round(done / seconds()),
    wrong: wrong.sort(),
    counts: Object.fromEntries([...counts].sort(([left], [right]) => left < right ? -1 : 1))
  }
}
