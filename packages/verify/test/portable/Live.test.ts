import { execFile, execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { openHttp } from "../../src/HttpReader.ts"
import { tilePath } from "../../src/Tile.ts"
import { printVerifierKey } from "../../src/VerifierKey.ts"
import { verifyArchive } from "../../src/VerifyArchive.ts"
import { largeArchive, log } from "../ArchiveBuilder.ts"
import { atFirst, type Interference, withLedgerServer } from "../LedgerServer.ts"
import { key } from "../Verification.ts"
import { withPage } from "./Chromium.ts"

const root = fileURLToPath(new URL("../../../../", import.meta.url))
const tool = (name: string) => join(root, "node_modules", ".bin", name)
const program = fileURLToPath(new URL("LiveProgram.ts", import.meta.url))
const vkey = printVerifierKey(log.key)
const { files } = largeArchive(5)

// The way it goes on a bad day: busy at first, then a body that breaks off.
const troubled = (): Interference =>
  atFirst(1, (path, response) => {
    if (path === "checkpoint") {
      response.writeHead(503).end("busy")
      return true
    }
    if (path !== tilePath(0, 0)) return false
    const bytes = files.get(key(path)) ?? new Uint8Array()
    response.writeHead(200, { "content-length": bytes.length })
    response.write(bytes.slice(0, 100))
    setTimeout(() => response.destroy(), 20)
    return true
  })

describe("a live ledger, wherever the verifier runs", () => {
  let directory = ""
  let expected = ""
  const run = async (url: string, command: string, ...argv: ReadonlyArray<string>): Promise<string> =>
    (await promisify(execFile)(tool(command), [...argv, program, url, vkey], { maxBuffer: 1e8 })).stdout
  const inNode = (url: string) => run(url, "node")
  const inBun = (url: string) => run(url, "bun")
  const inDeno = (url: string) => run(url, "deno", "run", "--allow-net", "--allow-env")
  const inChromium = (url: string) =>
    withPage(
      pathToFileURL(join(directory, "page.html")).href,
      async (tab) => String(await tab.evaluate(`liveReport(${JSON.stringify(url)}, ${JSON.stringify(vkey)})`))
    )

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "rainlogs-live-"))
    const entry = fileURLToPath(new URL("PageEntry.ts", import.meta.url))
    const page = join(directory, "page.js")
    execFileSync(tool("rolldown"), [entry, "--format", "iife", "--platform", "browser", "--file", page], {
      stdio: "ignore"
    })
    writeFileSync(join(directory, "page.html"), `<!doctype html><meta charset="utf-8"><script src="page.js"></script>`)
    expected = await withLedgerServer(
      files,
      async ({ url }) =>
        JSON.stringify(await verifyArchive(await openHttp(url), { keys: [log.key], scope: "no-objects" }))
    )
    assert.match(expected, /OBJECTS_NOT_CHECKED/)
    assert.notMatch(expected, /"fail"/)
  }, 120_000)
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  for (const [name, report] of Object.entries({ Node: inNode, Bun: inBun, Deno: inDeno, Chromium: inChromium })) {
    it(`is verified in ${name}, though the server is busy and breaks off`, async () => {
      await withLedgerServer(files, async (server) => {
        server.interfere = troubled()
        assert.strictEqual(await report(server.url), expected)
        assert.strictEqual(server.requests.filter((path) => path === tilePath(0, 0)).length, 2)
      })
    }, 120_000)

    it(
      `is not looked for at another origin in ${name}`,
      () =>
        withLedgerServer(files, (other) =>
          withLedgerServer(files, async (server) => {
            server.interfere = (_, response) => {
              response.writeHead(302, { location: `${other.url}/checkpoint` }).end()
              return true
            }
            assert.match(
              await report(server.url),
              /redirects to another origin|redirects, which a browser does not show/
            )
            assert.deepStrictEqual(other.requests, [])
          })),
      120_000
    )
  }
})
