/**
 * A thread of a campaign: judges the parts it is sent until it is sent null.
 */
import { newHash } from "@rainlogs/verify/node/BundleFile"
import { verify as verifySignature } from "@rainlogs/verify/node/NativeEd25519"
import { sha256 } from "@rainlogs/verify/node/NativeSha256"
import { bundleJudge, tryMutations } from "@rainlogs/verify/tampering/BundleCampaign"
import { mutationTarget } from "@rainlogs/verify/tampering/BundleMutations"
import { filesJudge, liveArchives } from "@rainlogs/verify/tampering/ValidArchives"
import { parentPort, workerData } from "node:worker_threads"
import type { CampaignName, Part, PartOutcome } from "./Campaign.ts"

const { campaign, seed } = workerData as { readonly campaign: CampaignName; readonly seed: number }

const bundleMutations = async (): Promise<(part: Part) => Promise<PartOutcome>> => {
  const target = await mutationTarget()
  const judge = bundleJudge({ newHash, sha256, verifySignature })
  const untouched = await judge(target.original.bytes)
  if (untouched.verdict.integrity !== "PASS") {
    throw new Error(`the bundle itself does not pass: ${JSON.stringify(untouched.findings)}`)
  }
  return (part) => tryMutations(target, judge, { seed, ...part })
}

const validArchives = (): (part: Part) => Promise<PartOutcome> => {
  const judge = filesJudge({ sha256, verifySignature })
  return (part) => liveArchives(judge, { seed, ...part })
}

const run = campaign === "bundle-mutations" ? await bundleMutations() : validArchives()

parentPort?.on("message", (part: Part | null) => {
  // Without a listener nothing keeps the thread; a failure ends it, and the campaign with it.
  if (part === null) parentPort?.close()
  else void run(part).then((outcome) => parentPort?.postMessage(outcome))
})
