/**
 * Makes a bundle from an archive (ledger format §8): the whole ledger at its served checkpoint, and the objects of some
 * windows of one zone. Two passes over the objects: sizes and hashes first, bytes second. The same archive and the same
 * request give the same bytes.
 */
import {
  type BundleInput,
  type BundleProgress,
  type BundleRequest,
  BundleRequestError,
  type BundleSummary
} from "./BundleRequest.ts"
import { type BundlePlan, planBundle } from "./PlanBundle.ts"
import { printCentralEntry, printEnd, printLocalHeader, type ZipMember } from "./ZipFormat.ts"

/** Yields the bundle's bytes in order, and returns what it holds. */
export async function* writeBundle(
  input: BundleInput,
  request: BundleRequest,
  onProgress: BundleProgress = () => {}
): AsyncGenerator<Uint8Array, BundleSummary> {
  const plan = await planBundle(input, request, onProgress)
  yield* bundleBytes(plan)
  return { size: plan.size, objects: plan.objects, bytes: plan.bytes }
}

/** The second pass: the bytes of the file in order. */
export async function* bundleBytes({ members: planned }: BundlePlan): AsyncGenerator<Uint8Array> {
  const members: Array<ZipMember> = []
  let offset = 0
  for (const [name, { bytes, crc, size }] of planned) {
    const member = { name, offset, size, crc }
    const header = printLocalHeader(member)
    yield header
    let written = 0
    for await (const chunk of bytes()) {
      written += chunk.length
      yield chunk
    }
    if (written !== size) {
      throw new BundleRequestError("changed", `${name} changed while it was read; make the bundle again`)
    }
    members.push(member)
    offset += header.length + size
  }
  let directory = 0
  for (const member of members) {
    const entry = printCentralEntry(member)
    directory += entry.length
    yield entry
  }
  yield printEnd({ members: members.length, offset, size: directory })
}
