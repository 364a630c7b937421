/**
 * A campaign of random mutations of a bundle. A false accept is INTEGRITY PASS of a bundle that is not the same evidence
 * any more: a container of which any byte changed, or a container packed anew in which a file of the archive is changed
 * or missing. A false alarm is anything but INTEGRITY PASS of the bundle itself.
 */
import { type IncrementalSha256 } from "../bundle/OpenBundle.ts"
import { verifyBundle } from "../bundle/VerifyBundle.ts"
import { exitCode, type Report } from "../Report.ts"
import type { VerifyOptions } from "../VerifyArchive.ts"
import { bundleKeys, mutateBundle, type MutationTarget } from "./BundleMutations.ts"
import { random } from "./Random.ts"

/** Judges the bytes of a bundle. */
export type JudgeBundle = (bytes: Uint8Array) => Promise<Report>

/** Functions of the platform that are faster than the verifier's own. */
export interface PlatformFunctions extends Pick<VerifyOptions, "sha256" | "verifySignature"> {
  readonly newHash: () => IncrementalSha256
}

/** Verifies with the key of the mutated bundle's log. */
export const bundleJudge = ({ newHash, ...functions }: PlatformFunctions): JudgeBundle => (bytes) =>
  verifyBundle(
    {
      size: bytes.length,
      read: (offset, length) =>
        offset + length <= bytes.length
          ? Promise.resolve(bytes.slice(offset, offset + length))
          : Promise.reject(new Error(`read past the end: ${length} bytes from ${offset} of ${bytes.length}`))
    },
    { keys: bundleKeys, ...functions },
    newHash
  )

/** What came out of a part of a campaign. */
export interface BundleOutcome {
  /** Mutations that changed the evidence, all of them judged. */
  readonly tried: number
  /** Draws that changed nothing, and were drawn again. */
  readonly unchanged: number
  /** How often each exit code over integrity alone was given. */
  readonly exits: Readonly<Record<string, number>>
  /** How often each mutation was tried. */
  readonly mutations: Readonly<Record<string, number>>
  /** Mutations that were accepted: number, name and codes. Empty when the verifier is right. */
  readonly falseAccepts: ReadonlyArray<string>
  /** Mutations on which the verifier threw instead of answering. */
  readonly crashes: ReadonlyArray<string>
}

// Two seeds share no sequence within four thousand million mutations.
const seedOf = (seed: number, number: number): number => (Math.imul(seed, 0x9e37_79b1) ^ number) >>> 0

/**
 * Tries mutations number `first` to `first + count` − 1 of the sequence `seed`. Each depends on its number and the seed
 * alone, so a campaign can be split among threads, and one mutation can be looked at again.
 */
export const tryMutations = async (
  target: MutationTarget,
  judge: JudgeBundle,
  { count, first, seed }: { readonly seed: number; readonly first: number; readonly count: number }
): Promise<BundleOutcome> => {
  const exits: Record<string, number> = {}
  const mutations: Record<string, number> = {}
  const falseAccepts: Array<string> = []
  const crashes: Array<string> = []
  let unchanged = 0
  for (let number = first; number < first + count; number++) {
    const choices = random(seedOf(seed, number))
    let mutated = mutateBundle(target, choices)
    while (mutated.equal) {
      unchanged++
      mutated = mutateBundle(target, choices)
    }
    const { bytes, name } = mutated
    mutations[name] = (mutations[name] ?? 0) + 1
    const what = `mutation ${number} of seed ${seed}, ${name}`
    try {
      const report = await judge(bytes)
      const exit = exitCode(report, ["integrity"])
      exits[exit] = (exits[exit] ?? 0) + 1
      if (report.verdict.integrity === "PASS") {
        falseAccepts.push(`${what}: exit ${exit}, ${report.findings.map(({ code }) => code).join(", ")}`)
      }
    } catch (error) {
      crashes.push(`${what}: ${error instanceof Error ? error.stack ?? error.message : String(error)}`)
    }
  }
  return { tried: count, unchanged, exits, mutations, falseAccepts, crashes }
}
