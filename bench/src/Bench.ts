/**
 * What a benchmark is, and what it answers. Speeds are in MB (10^6 bytes) of plaintext NDJSON per second of CPU time, all
 * threads counted, so they compare across machines with other numbers of cores; ratios are to a public tool on the same
 * data in the same run, because absolute times drift.
 */

/** How a benchmark is run. */
export interface BenchOptions {
  /** Bytes of generated NDJSON. */
  readonly sizeBytes: number
  /** An empty directory for its files, removed afterwards. */
  readonly directory: string
}

/** Our speed over a public tool's, both per CPU second; null with the reason when the tool could not be run. */
export type Ratio = { readonly tool: string; readonly ratio: number } | {
  readonly tool: string
  readonly ratio: null
  readonly reason: string
}

/** What a benchmark measured; printed as one JSON line. */
export interface BenchResult {
  readonly name: string
  readonly mbPerSecPerCore: number
  /** To the first of `ratios`. */
  readonly ratio: number | null
  /** Peak resident memory of the measured process, MB. */
  readonly peakRssMb: number
  /** Speed by the clock, MB/s. */
  readonly mbPerSec: number
  readonly sizeBytes: number
  readonly runtime: string
  readonly ratios: ReadonlyArray<Ratio>
  /** Figures of this benchmark alone. */
  readonly details: Readonly<Record<string, number | string>>
}

/** One benchmark. */
export interface Bench {
  readonly name: string
  /** One sentence: what is measured. */
  readonly about: string
  readonly run: (options: BenchOptions) => Promise<BenchResult>
}

/** Figures with three significant digits: more would be noise. */
export const rounded = (value: number): number => Number(value.toPrecision(3))

/** The runtime, its version and its options: `bun 1.4.5`, `node 24.21.0 --max-semi-space-size=4`. */
export const runtime = (): string => {
  const { bun, node } = process.versions
  return [bun === undefined ? `node ${node}` : `bun ${bun}`, ...process.execArgv].join(" ")
}
