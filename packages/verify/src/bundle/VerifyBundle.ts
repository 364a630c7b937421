/**
 * Verifies a bundle: its ledger wholly, the objects it holds, and that the container is exactly what its manifest says.
 */
import { type Report, reportSchema } from "../Report.ts"
import type { VerifierKey } from "../VerifierKey.ts"
import { chooseLogKey, verifyArchive, type VerifyOptions } from "../VerifyArchive.ts"
import type { ByteSource } from "./BundleZip.ts"
import { type Bundle, type IncrementalSha256, openBundle } from "./OpenBundle.ts"
import { MalformedBundleError } from "./ZipFormat.ts"

/** The report of a container that is not believed: it says nothing about any of the four questions. */
export const malformedBundle = (keys: ReadonlyArray<VerifierKey>, error: MalformedBundleError): Report => ({
  schema: reportSchema,
  origin: keys.find(({ type }) => type === 1)?.name ?? "-",
  size: 0,
  headTime: null,
  clockTime: null,
  trustedTime: null,
  verdict: { integrity: "FAIL", completeness: "INCONCLUSIVE", anchoring: "INCONCLUSIVE", erasures: "INCONCLUSIVE" },
  findings: [
    {
      code: "MALFORMED_BUNDLE",
      question: "integrity",
      severity: "malformed",
      chain: null,
      seq: null,
      detail: error.message
    },
    ...(["completeness", "anchoring", "erasures"] as const).map((question) => ({
      code: "NOTHING_VERIFIED",
      question,
      severity: "inconclusive" as const,
      chain: null,
      seq: null,
      detail: "the bundle is malformed"
    }))
  ],
  coverage: [],
  counts: {
    entries: 0,
    chains: 0,
    objects: 0,
    objectBytes: 0,
    documents: 0,
    tiles: 0,
    checkpoints: 0,
    heartbeats: 0,
    anchors: 0,
    erasures: 0
  }
})

/** Verifies an opened bundle. */
export const verifyOpenBundle = async (bundle: Bundle, options: VerifyOptions): Promise<Report> => {
  const { chain, from, to } = bundle.scope
  const { disclosure } = bundle
  const report = await verifyArchive(bundle.reader, {
    ...options,
    scope: { chain, from, to },
    ...disclosure === null ? {} : { disclosure }
  })
  await bundle.checkRest()
  return report
}

/**
 * Verifies the bundle at a source; a malformed container is a finding of the report. `newHash` begins a SHA-256. Rejects
 * when the source cannot be read, and as {@link verifyArchive} does.
 */
export const verifyBundle = async (
  source: ByteSource,
  options: VerifyOptions,
  newHash: () => IncrementalSha256
): Promise<Report> => {
  chooseLogKey(options.keys)
  try {
    return await verifyOpenBundle(await openBundle(source, newHash), options)
  } catch (error) {
    if (error instanceof MalformedBundleError) return malformedBundle(options.keys, error)
    throw error
  }
}
