/**
 * The verifier's page in a headless Chromium on a bundle: the speed that it shows to a person.
 */
import { writeBundleFile } from "@rainlogs/verify/node/BundleOutput"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { execFileSync } from "node:child_process"
import { createReadStream } from "node:fs"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { withPage } from "../../packages/verify/test/portable/Chromium.ts"
import { rounded } from "./Bench.ts"
import { chain, type LedgerBuilder, ledgerOrigin } from "./LedgerBuilder.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))

/** MB/s of object bytes, and MB of them. */
export interface PageSpeed {
  readonly mbPerSec: number
  readonly exit: string
}

/** Verifies a bundle of the whole archive with the page; rejects when there is no Chromium or it does not pass. */
export const measurePage = async (
  archive: string,
  { vkey }: Pick<LedgerBuilder, "vkey">,
  directory: string
): Promise<PageSpeed> => {
  execFileSync(join(root, "node_modules", ".bin", "node"), [join(root, "scripts", "build-verifier.mjs")], {
    stdio: "ignore",
    // The bundler would leave its compiled code in the directory for temporary files.
    env: { ...process.env, NODE_DISABLE_COMPILE_CACHE: "1" }
  })
  const bundle = join(directory, "bundle.zip")
  const window = { from: 0, to: Number.MAX_SAFE_INTEGER }
  const reader = await openDirectory(archive)
  await writeBundleFile({
    reader,
    stream: (key) => createReadStream(join(archive, key)),
    out: bundle,
    temporary: `${bundle}.part`,
    origin: ledgerOrigin,
    chain,
    ...window
  })
  const page = pathToFileURL(join(root, "dist", "verifier", "rainlogs-verify.html")).href
  return withPage(page, async ({ evaluate, send }) => {
    const { root: document } = await send("DOM.getDocument") as { readonly root: { readonly nodeId: number } }
    const { nodeId } = await send("DOM.querySelector", { nodeId: document.nodeId, selector: "#bundle" })
    await send("DOM.setFileInputFiles", { nodeId, files: [bundle] })
    const seen = await evaluate(`new Promise((resolve) => {
      document.querySelector("#keys").value = ${JSON.stringify(vkey)}
      const { dataset } = document.body
      const text = () => document.querySelector("main").innerText
      const end = () => dataset.exit === undefined ? setTimeout(end, 50) : resolve([dataset.exit, dataset.bytesPerSecond, text()])
      const begin = () => document.querySelector("#status").textContent === "" ? setTimeout(begin, 50) : (document.querySelector("#verify").click(), end())
      begin()
    })`) as readonly [string, string | null, string]
    const [exit, bytesPerSecond, text] = seen
    // Nobody anchors this archive: that is the one thing left open.
    if (bytesPerSecond === null || exit !== "2" || !text.includes("NO_ANCHOR")) throw new Error(`the page says ${text}`)
    return { mbPerSec: rounded(Number(bytesPerSecond) / 1e6), exit }
  })
}
