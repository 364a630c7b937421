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
import { memberBytes, printCentralEntry, printEnd, printLocalHeader } from "./ZipFormat.ts"

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
export async function* bundleBytes({ members, read }: BundlePlan): AsyncGenerator<Uint8Array> {
  let offset = 0
  for (const planned of members.sorted()) {
    const { crc, name, size } = planned
    const header = printLocalHeader({ name, offset, size, crc })
    yield header
    let written = 0
    for await (const chunk of read(planned)) {
      written += chunk.length
      yield chunk
    }
    if (written !== size) {
      throw new BundleRequestError("changed", `${name} changed while it was read; make the bundle again`)
    }
    offset += header.length + size
  }
  let [at, directory] = [0, 0]
  for (const { crc, name, size } of members.sorted()) {
    const member = { name, offset: at, size, crc }
    const entry = printCentralEntry(member)
    directory += entry.length
    at += memberBytes(member)
    yield entry
  }
  yield printEnd({ members: members.count, offset, size: directory })
}
