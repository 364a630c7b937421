import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { printBundle } from "../../src/bundle/PrintBundle.ts"
import { day, evidenceArchive, trust } from "../../src/tampering/EvidenceArchive.ts"
import { bundleMembers } from "../../src/tampering/EvidenceBundle.ts"
import { entriesPath, tilePath } from "../../src/Tile.ts"
import { printVerifierKey } from "../../src/VerifierKey.ts"
import { ArchiveBuilder, firstEpoch, hour, start, writeArchive } from "../ArchiveBuilder.ts"
import { withPage } from "./Chromium.ts"
import type { Vectors } from "./Verdicts.ts"

const root = fileURLToPath(new URL("../../../../", import.meta.url))
const tool = (name: string) => join(root, "node_modules", ".bin", name)
const bytesOf = (path: string) => readFileSync(new URL(`../vectors/${path}`, import.meta.url))
const json = (path: string) => JSON.parse(bytesOf(path).toString())
const timestamp = (response: string, chain: string, message: string | Buffer) => ({
  name: response,
  response: bytesOf(`rfc3161/${response}`).toString("base64"),
  chain: bytesOf(`rfc3161/${chain}`).toString("base64"),
  message: Buffer.from(message).toString("base64")
})
const base64 = (path: string) => bytesOf(`tlog-tiles/${path}`).toString("base64")
const vectors: Vectors = {
  trees: json("rfc6962/trees.json"),
  inclusion: json("rfc6962/inclusion.json"),
  consistency: json("rfc6962/consistency.json"),
  subtreeInclusion: json("rfc6962/subtreeinclusion.json"),
  subtreeConsistency: json("rfc6962/subtreeconsistency.json"),
  notes: json("signed-note/notes.json"),
  checkpoints: json("signed-note/checkpoint-bodies.json"),
  tlogProofs: json("signed-note/tlog-proofs.json"),
  cctv: json("ed25519/cctv-ed25519vectors.json"),
  wycheproof: json("ed25519/wycheproof-ed25519_test.json"),
  tiles: [
    ...Array.from({ length: 15 }, (_, at) => ({
      name: `Tessera, ${at + 1} entries`,
      entries: base64(`tessera-testlog/${entriesPath(0, at + 1)}`),
      tiles: [base64(`tessera-testlog/${tilePath(0, 0, at + 1)}`)],
      above: null,
      checkpoint: base64(`tessera-testlog/checkpoint.${at + 1}`)
    })),
    {
      name: "Sunlight, 300 entries",
      entries: null,
      tiles: [base64(`sunlight-mirror/${tilePath(0, 0)}`), base64(`sunlight-mirror/${tilePath(0, 1, 44)}`)],
      above: base64(`sunlight-mirror/${tilePath(1, 0, 1)}`),
      checkpoint: base64("sunlight-mirror/checkpoint")
    }
  ],
  timestamps: [
    timestamp("sigstage/response-sha256.tsr", "sigstage/ts_chain.pem", "hello"),
    timestamp("sigstage/response-sha384.tsr", "sigstage/ts_chain.pem", "hello"),
    timestamp("sigstage/response-sha512.tsr", "sigstage/ts_chain.pem", "hello"),
    timestamp("sigstage/response-no-embedded-cert.tsr", "sigstage/ts_chain.pem", "hello"),
    timestamp("sigstage/response-invalid-signature.tsr", "sigstage/ts_chain.pem", "hello"),
    timestamp("local/r.tsr", "local/ca.pem", bytesOf("rfc3161/local/checkpoint")),
    timestamp("local/r.tsr", "local/ca.pem", bytesOf("rfc3161/local/checkpoint-tampered")),
    timestamp(
      "sigstore.mock/response-expired.tsr",
      "sigstore.mock/ts_chain.pem",
      bytesOf("rfc3161/sigstore.mock/payload")
    ),
    timestamp("test_tsa/response.tsr", "test_tsa/ts_chain.pem", "hello"),
    timestamp("test_tsa/response-injected-certs.tsr", "test_tsa/ts_chain.pem", "hello"),
    timestamp("test_tsa/other_response.tsr", "test_tsa/ts_chain.pem", "hello"),
    timestamp("identrust/issue-104.tsr", "identrust/ts_chain.pem", "hello"),
    timestamp("pkijs-TestTSPresp.tsr", "local/ca.pem", "hello")
  ]
}

// What the vectors themselves say, where they say it as yes or no.
const expected = (): ReadonlyArray<readonly [string, ReadonlyArray<boolean>]> => [
  ["inclusion", vectors.inclusion.map(({ wantErr }) => !wantErr)],
  // Some of these use short texts as roots; a root has 32 bytes here.
  [
    "consistency",
    vectors.consistency.map(({ root1, wantErr }) => !wantErr && Buffer.from(root1, "base64").length === 32)
  ],
  ["subtree inclusion", vectors.subtreeInclusion.map(({ wantErr }) => !wantErr)],
  [
    "subtree consistency",
    vectors.subtreeConsistency.map(({ root1, wantErr }) => !wantErr && Buffer.from(root1, "base64").length === 32)
  ],
  ["note", vectors.notes.cases.map(({ wantOk }) => wantOk)],
  ["vkey", vectors.notes.badVkeys.map(() => false)],
  ["tlog-proof", vectors.tlogProofs.cases.map(() => false)],
  ["tlog-tiles", vectors.tiles.map(() => true)],
  ["damaged tlog-tiles", vectors.tiles.map(() => false)],
  ["wycheproof", vectors.wycheproof.testGroups.flatMap(({ tests }) => tests.map(({ result }) => result === "valid"))]
]

// One object that takes a browser some time, so that there is a middle of the work to see.
const largeObject = (): ArchiveBuilder => {
  const line = `{"padding":"${"x".repeat(1008)}"}\n`
  return new ArchiveBuilder().begin()
    .window({ from: start, to: start + hour, lines: line.repeat(120_000), time: start + hour + 1000 })
    .heartbeat(firstEpoch)
    .publish()
}

describe("the verifier, wherever it runs", () => {
  let directory = ""
  const at = (name: string) => join(directory, name)
  let node: ReadonlyArray<string> = []
  const program = fileURLToPath(new URL("Program.ts", import.meta.url))
  const run = (command: string, ...argv: ReadonlyArray<string>): ReadonlyArray<string> =>
    execFileSync(tool(command), [...argv, program, at("vectors.json")], { encoding: "utf8", maxBuffer: 1e8 }).trim()
      .split("\n")
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "rainlogs-portable-"))
    writeFileSync(at("vectors.json"), JSON.stringify(vectors))
    node = run("node")
  }, 60_000)
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  it("gives the verdicts that the vectors demand", () => {
    for (const [kind, wanted] of expected()) {
      const found = node.filter((line) =>
        line.startsWith(`${kind} `) && /^\d+ (yes|no)$/.test(line.slice(kind.length + 1))
      )
      const wrong = wanted.flatMap((want, index) =>
        found[index] === `${kind} ${index} ${want ? "yes" : "no"}` ? [] : [found[index]]
      )
      assert.deepStrictEqual(wrong, [], kind)
      assert.strictEqual(found.length, wanted.length, kind)
    }
    assert.deepStrictEqual(node.filter((line) => line.startsWith("cctv ") && line.endsWith(" yes")).length, 1)
    const merkle = expected().slice(0, 4).reduce((sum, [, wanted]) => sum + wanted.length, 0)
    const wycheproof = expected().at(-1)?.[1].length
    assert.deepStrictEqual(
      [merkle, vectors.notes.cases.length, vectors.cctv.length, wycheproof, vectors.tiles.length],
      [518, 14, 914, 151, 16]
    )
    process.stdout.write(
      `public vectors: ${merkle} RFC 6962, ${vectors.notes.cases.length} signed notes, ${vectors.checkpoints.cases.length} checkpoints, ` +
        `${vectors.tlogProofs.cases.length} tlog-proofs, ${vectors.cctv.length} CCTV, ${wycheproof} Wycheproof, ${vectors.tiles.length} tlog-tiles, ` +
        `${vectors.timestamps.length} timestamps: ${node.length} verdicts\n`
    )
  })

  it("gives the same verdicts in Bun", () => assert.deepStrictEqual(run("bun"), node), 60_000)

  it("gives the same verdicts in Deno", () => {
    assert.deepStrictEqual(run("deno", "run", "--allow-read", "--allow-env"), node)
  }, 60_000)

  describe("in a browser", () => {
    let page = ""
    beforeAll(async () => {
      execFileSync(tool("node"), [join(root, "scripts", "build-verifier.mjs")], { stdio: "ignore" })
      page = join(root, "dist", "verifier", "rainlogs-verify.html")
      const builder = await evidenceArchive(60)
      const members = await bundleMembers(builder, start + 40 * day, start + 50 * day)
      const bundle = printBundle(members)
      writeFileSync(at("right.zip"), bundle)
      const object = [...members.keys()].find((name) => name.includes("/logs/")) ?? ""
      const wrong = printBundle(new Map(members).set(object, new TextEncoder().encode("{}\n")))
      writeFileSync(at("wrong.zip"), wrong)
      writeFileSync(at("cut.zip"), bundle.subarray(0, -1))
      writeFileSync(at("large.zip"), printBundle(await bundleMembers(largeObject(), start, start + hour)))
      writeArchive(at("archive"), builder.files)
    }, 120_000)

    it("gives the same verdicts in Chromium", async () => {
      const entry = fileURLToPath(new URL("PageEntry.ts", import.meta.url))
      execFileSync(tool("rolldown"), [entry, "--format", "iife", "--platform", "browser", "--file", at("page.js")], {
        stdio: "ignore"
      })
      writeFileSync(at("page.html"), `<!doctype html><meta charset="utf-8"><script src="page.js"></script>`)
      const found = await withPage(
        pathToFileURL(at("page.html")).href,
        (tab) => tab.evaluate(`verdictsOf(${readFileSync(at("vectors.json"), "utf8")})`)
      )
      assert.deepStrictEqual(found, node)
    }, 120_000)

    const keys = trust().keys.map(printVerifierKey).join("\n")
    const judge = (file: string, input: "bundle" | "directory" = "bundle") =>
      withPage(pathToFileURL(page).href, async ({ evaluate, requests, send }) => {
        const { root: document } = await send("DOM.getDocument") as { readonly root: { readonly nodeId: number } }
        const { nodeId } = await send("DOM.querySelector", { nodeId: document.nodeId, selector: `#${input}` })
        await send("DOM.setFileInputFiles", { nodeId, files: [at(file)] })
        const until = (condition: string) =>
          evaluate(
            `new Promise((resolve) => { const look = () => ${condition} ? resolve() : setTimeout(look, 20); look() })`
          )
        // A directory is listed in the background: only then is there something to verify.
        await until("document.querySelector('#status').textContent !== ''")
        await evaluate(
          `document.querySelector("#keys").value = ${JSON.stringify(keys)}; document.querySelector("#verify").click()`
        )
        await until("document.body.dataset.exit !== undefined")
        const exit = await evaluate("document.body.dataset.exit")
        const text = String(await evaluate("document.querySelector('main').innerText"))
        const verdicts = await evaluate("[...document.querySelectorAll('dd')].map((dd) => dd.textContent).join()")
        return { exit, text, verdicts, requests }
      })

    it("the page verifies a bundle from a file, and asks the network for nothing", async () => {
      const { exit, requests, text, verdicts } = await judge("right.zip")
      assert.deepStrictEqual([exit, verdicts], ["0", "PASS,PASS,PASS,PASS"], text)
      assert.deepStrictEqual(requests.filter((url) => !url.startsWith("file:")), [])
      assert.strictEqual(requests.length, 1)
    }, 60_000)

    it("the page finds a changed object, a cut bundle, and reads a directory", async () => {
      const wrong = await judge("wrong.zip")
      assert.strictEqual(wrong.exit, "1")
      assert.match(wrong.text, /OBJECT_HASH_MISMATCH[^]*next: restore/)
      const cut = await judge("cut.zip")
      assert.strictEqual(cut.exit, "3")
      assert.match(cut.text, /MALFORMED_BUNDLE/)
      const whole = await judge("archive", "directory")
      assert.deepStrictEqual([whole.exit, whole.verdicts], ["0", "PASS,PASS,PASS,PASS"], whole.text)
    }, 120_000)

    it("the page forgets an earlier report when a later run fails", async () => {
      await withPage(pathToFileURL(page).href, async ({ evaluate, send }) => {
        const until = (condition: string) =>
          evaluate(
            `new Promise((resolve) => { const look = () => ${condition} ? resolve() : setTimeout(look, 20); look() })`
          )
        const { root: document } = await send("DOM.getDocument") as { readonly root: { readonly nodeId: number } }
        const { nodeId } = await send("DOM.querySelector", { nodeId: document.nodeId, selector: "#bundle" })
        const give = async (file: string, key: string) => {
          await send("DOM.setFileInputFiles", { nodeId, files: [at(file)] })
          await until(`document.querySelector('#status').textContent.startsWith(${JSON.stringify(`${file},`)})`)
          await evaluate(
            `document.querySelector("#keys").value = ${JSON.stringify(key)}; document.querySelector("#verify").click()`
          )
        }
        const seen = () =>
          evaluate(
            "[document.querySelector('#save').hidden, document.querySelectorAll('dd').length, document.body.dataset.exit ?? '-'].join()"
          )
        await give("right.zip", keys)
        await until("document.body.dataset.exit !== undefined")
        assert.strictEqual(await seen(), "false,4,0")
        // A key that cannot be read: the run ends before anything is verified.
        await give("wrong.zip", "no key at all")
        await until("document.body.dataset.exit !== undefined")
        assert.strictEqual(await seen(), "true,0,2")
        assert.match(String(await evaluate("document.querySelector('#status').textContent")), /nothing was concluded/)
        await give("right.zip", keys)
        await until("document.body.dataset.exit === '0'")
        await give("cut.zip", "")
        await until("document.querySelector('#status').textContent.startsWith('Paste')")
        assert.strictEqual(await seen(), "true,0,-")
      })
    }, 120_000)

    it("the page's bar counts the bytes of objects", async () => {
      await withPage(pathToFileURL(page).href, async ({ evaluate, send }) => {
        const { root: document } = await send("DOM.getDocument") as { readonly root: { readonly nodeId: number } }
        const { nodeId } = await send("DOM.querySelector", { nodeId: document.nodeId, selector: "#bundle" })
        await send("DOM.setFileInputFiles", { nodeId, files: [at("large.zip")] })
        // Every text of the status and every value of the bar, as they come.
        await evaluate(`
          globalThis.seen = []
          new MutationObserver(() => seen.push([document.querySelector("#bar").value, document.querySelector("#status").textContent]))
            .observe(document.querySelector("#status"), { childList: true, characterData: true, subtree: true })
          document.querySelector("#keys").value = ${JSON.stringify(keys)}
          const look = () => document.querySelector("#status").textContent === "" ? setTimeout(look, 20) : document.querySelector("#verify").click()
          look()`)
        await evaluate(
          "new Promise((resolve) => { const look = () => document.body.dataset.exit ? resolve() : setTimeout(look, 20); look() })"
        )
        const seen = await evaluate("seen") as ReadonlyArray<readonly [number, string]>
        const working = seen.filter(([, text]) => text.startsWith("Verifying"))
        assert.isAbove(working.length, 1, JSON.stringify(seen))
        // With few entries and one large object, only its bytes move the bar between none and all.
        assert.isTrue(working.some(([value]) => value > 0.05 && value < 0.95), JSON.stringify(working))
        assert.isTrue(working.every(([value], index) => value >= (working[index - 1]?.[0] ?? 0)))
        assert.match(working.at(-1)?.[1] ?? "", /\d+\/\d+ entries, .*B\/\d.*MB, .*\/s/)
      })
    }, 180_000)

    it("the page speaks Italian to an Italian browser, and says which language it is in", async () => {
      await withPage(pathToFileURL(page).href, async ({ evaluate, send }) => {
        assert.strictEqual(await evaluate("document.documentElement.lang"), "en")
        await send("Emulation.setUserAgentOverride", { userAgent: "test", acceptLanguage: "it-CH,it" })
        await send("Page.reload")
        for (let tries = 0; await evaluate("document.documentElement.lang").catch(() => "") !== "it"; tries++) {
          assert.isBelow(tries, 200)
          await new Promise((resolve) => setTimeout(resolve, 100))
        }
        const { root: document } = await send("DOM.getDocument") as { readonly root: { readonly nodeId: number } }
        const { nodeId } = await send("DOM.querySelector", { nodeId: document.nodeId, selector: "#bundle" })
        await send("DOM.setFileInputFiles", { nodeId, files: [at("wrong.zip")] })
        await evaluate(`new Promise((resolve) => {
          document.querySelector("#keys").value = ${JSON.stringify(keys)}
          const look = () => document.body.dataset.exit ? resolve() : setTimeout(look, 20)
          const start = () => document.querySelector("#status").textContent === "" ? setTimeout(start, 20) : (document.querySelector("#verify").click(), look())
          start()
        })`)
        const text = String(await evaluate("document.querySelector('main').innerText"))
        assert.match(text, /\d+ voci\n/)
        assert.match(text, /\d+ finestre, \d+ righe di log, \d+ lacune/)
        assert.match(text, /poi: ripristina il file/)
        // What a finding says is in English in every language.
        assert.notMatch(text, /\d (?:entries|windows|records|gaps)\b|next:/)
      })
    }, 120_000)

    it("the single file verifies in Node, Bun and Deno, alone", () => {
      const alone = at("rainlogs-verify.mjs")
      writeFileSync(alone, readFileSync(join(root, "dist", "verifier", "rainlogs-verify.mjs")))
      const argv = [at("right.zip"), ...keys.split("\n").flatMap((key) => ["--key", key])]
      const said = [
        execFileSync(tool("node"), [alone, ...argv], { cwd: directory, encoding: "utf8" }),
        execFileSync(tool("bun"), [alone, ...argv], { cwd: directory, encoding: "utf8" }),
        execFileSync(tool("deno"), ["run", "--allow-read", "--allow-env", "--allow-sys", alone, ...argv], {
          cwd: directory,
          encoding: "utf8"
        })
      ]
      for (const text of said) assert.match(text, /Exit 0: pass/)
    }, 60_000)

    it("is small", () => {
      execFileSync(tool("rolldown"), [
        join(root, "packages/verify/src/bundle/VerifyBundle.ts"),
        "--format",
        "esm",
        "--platform",
        "browser",
        "--minify",
        // Notes to bundlers, which say nothing to a browser.
        "--no-comments",
        "--file",
        at("verifier.js")
      ], { stdio: "ignore" })
      const gzipped = (path: string) => execFileSync("gzip", ["-9c", path]).length
      const verifier = gzipped(at("verifier.js"))
      const [compressed, whole] = [gzipped(page), statSync(page).size]
      process.stdout.write(
        `verifier for the browser: ${verifier} bytes gzipped; whole page: ${compressed}, ${whole} as it is\n`
      )
      assert.isAtMost(verifier, 40 * 1024)
      // The page is sent by mail and opened from a stick: the limits of packages/verify/README.md.
      assert.isAtMost(compressed, 48 * 1024)
      assert.isAtMost(whole, 136 * 1024)
    })
  })
})
