import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { main } from "../src/cli.ts"
import { checkpointArchiveKey, checkpointKey, ledgerKey } from "../src/Layout.ts"
import { entriesPath, tilePath } from "../src/Tile.ts"
import { makeVerifierKey, printVerifierKey } from "../src/VerifierKey.ts"
import { clock, hour, log, origin, smallArchive, start, writeArchive } from "./ArchiveBuilder.ts"
import { withLedgerServer } from "./LedgerServer.ts"

const vkey = printVerifierKey(log.key)
let directory = ""
let firstObject = ""
const { files } = smallArchive()
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "rainlogs-verify-"))
  firstObject = [...files.keys()].find((key) => key.startsWith("logs/")) ?? ""
  writeArchive(directory, files)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const run = async (...argv: ReadonlyArray<string>) => {
  let [stdout, stderr] = ["", ""]
  const output = {
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) }
  }
  const code = await main(argv, output)
  return { code, stdout, stderr }
}
const withFile = async <Value>(key: string, change: (bytes: Uint8Array) => Uint8Array, use: () => Promise<Value>) => {
  const path = join(directory, key)
  const bytes = readFileSync(path)
  writeFileSync(path, change(new Uint8Array(bytes)))
  try {
    return await use()
  } finally {
    writeFileSync(path, bytes)
  }
}

describe("rainlogs-verify", () => {
  it("speaks of all four questions unless told otherwise", async () => {
    const all = await run(directory, "--key", vkey)
    assert.deepStrictEqual([all.code, all.stderr], [2, ""])
    assert.match(all.stdout, /^INTEGRITY +PASS/m)
    assert.match(all.stdout, /^ANCHORING +INCONCLUSIVE/m)
    assert.match(all.stdout, /NO_ANCHOR/)
    const two = await run(directory, "--key", vkey, "--only", "integrity,completeness")
    assert.strictEqual(two.code, 0)
    assert.match(two.stdout, /Exit 0: pass \(integrity, completeness\)/)
    assert.strictEqual((await run(directory, "--key", vkey, "--only=erasures")).code, 0)
    assert.strictEqual((await run(directory, "--key", vkey, "--only=anchoring")).code, 2)
  })

  it("prints one JSON object and nothing else", async () => {
    const { code, stdout, stderr } = await run("--json", directory, "--key", vkey, "--only", "integrity")
    const report: unknown = JSON.parse(stdout)
    assert.deepNestedInclude(report, { "verdict.integrity": "PASS", origin, exitCode: 0, "counts.entries": 18 })
    assert.deepStrictEqual([code, stderr], [0, ""])
  })

  it("exits 1 and names the object when one byte of it is changed", async () => {
    const flip = (bytes: Uint8Array) => bytes.map((byte, index) => index === 3 ? byte ^ 1 : byte)
    const { code, stdout } = await withFile(firstObject, flip, () => run(directory, "--key", vkey))
    assert.strictEqual(code, 1)
    assert.match(stdout, /FAIL OBJECT_HASH_MISMATCH/)
    assert.include(stdout, firstObject)
  })

  it("exits 3 on input that is not in the format, 2 on another key", async () => {
    const garbage = () => new TextEncoder().encode("garbage\n")
    const malformed = await withFile(checkpointKey(origin), garbage, () => run(directory, "--key", vkey))
    assert.strictEqual(malformed.code, 3)
    assert.match(malformed.stdout, /MALFORMED_CHECKPOINT/)
    const other = printVerifierKey(makeVerifierKey(origin.replace("archive", "other"), 1, log.key.publicKey))
    const unknown = await run(directory, "--key", other, "--only", "integrity")
    assert.strictEqual(unknown.code, 2)
    assert.match(unknown.stdout, /UNKNOWN_KEY/)
  })

  it("says what is wrong with the command line and what to do, on stderr", async () => {
    const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
      [[], /name the archive directory, bundle or URL/],
      [[directory], /pass --key/],
      [[directory, directory, "--key", vkey], /one archive at a time/],
      [[directory, "--key", `${vkey}x`], /is not a verifier key .* copy it whole/],
      [[directory, "--key", printVerifierKey(clock.key)], /no log key given/],
      [[directory, "--key", vkey, "--only", "truth"], /choose from integrity, completeness/],
      [[directory, "--key", vkey, "--fast"], /--fast/],
      [[join(directory, "none"), "--key", vkey], /does not exist; give the directory/]
    ]
    for (const [argv, message] of cases) {
      const { code, stdout, stderr } = await run(...argv)
      assert.deepStrictEqual([code, stdout], [2, ""], String(message))
      assert.match(stderr, message)
    }
  })

  it.each([
    ["the served checkpoint", checkpointKey(origin), "MALFORMED_CHECKPOINT", 3],
    ["an archived checkpoint", checkpointArchiveKey(origin, 9), "MALFORMED_CHECKPOINT", 3],
    ["a tile", ledgerKey(origin, tilePath(0, 0, 18)), "TILE_MISMATCH", 1],
    ["a bundle", ledgerKey(origin, entriesPath(0, 18)), "MALFORMED_ENTRY", 3],
    ["a document", "event", "OBJECT_HASH_MISMATCH", 1],
    ["an object", "logs", "OBJECT_HASH_MISMATCH", 1]
  ])("reports %s of 5 GB without reading it", async (_, which, code, exit) => {
    const named = which === "event" ? [...files.keys()].find((key) => key.includes("/event/")) ?? "" : which
    const path = which === "logs" ? firstObject : named
    const started = performance.now()
    const { code: found, stdout } = await withFile(path, (bytes) => bytes, async () => {
      truncateSync(join(directory, path), 5 * 2 ** 30)
      return run(directory, "--key", vkey, "--only", "integrity", "--json")
    })
    const { findings }: { findings: ReadonlyArray<{ code: string; key?: string }> } = JSON.parse(stdout)
    assert.isTrue(findings.some((finding) => finding.code === code && finding.key === path), stdout)
    assert.strictEqual(found, exit)
    assert.isBelow(performance.now() - started, 10_000)
    assert.isBelow(process.memoryUsage().arrayBuffers, 500_000_000)
  })

  it("says which file it may not read, and concludes nothing", async () => {
    const { code, stdout, stderr } = await withFile(checkpointKey(origin), (bytes) => bytes, async () => {
      rmSync(join(directory, checkpointKey(origin)))
      // A link to itself cannot be opened by anyone, not even by the superuser.
      symlinkSync("checkpoint", join(directory, checkpointKey(origin)))
      const done = await run(directory, "--key", vkey)
      rmSync(join(directory, checkpointKey(origin)))
      return done
    })
    assert.deepStrictEqual([code, stdout], [2, ""])
    assert.match(stderr, /checkpoint.*\n.*nothing was concluded/)
  })

  it("refuses an archive with a link out of it as malformed", async () => {
    const ledger = checkpointKey(origin).replace(/checkpoint$/, "link")
    symlinkSync("/etc/hostname", join(directory, ledger))
    try {
      const { code, stderr } = await run(directory, "--key", vkey)
      assert.strictEqual(code, 3)
      assert.match(stderr, /symbolic link leads out/)
    } finally {
      rmSync(join(directory, ledger))
    }
  })

  it("explains itself with examples and every exit code", async () => {
    const { code, stdout } = await run("--help")
    assert.strictEqual(code, 0)
    for (const part of ["Exit codes", "Examples", "--only", "tampering proven", "malformed input"]) {
      assert.include(stdout, part)
    }
  })

  it("shows progress on a terminal only, and clears it", async () => {
    let shown = ""
    const stderr = { isTTY: true, write: (text: string) => (shown += text) }
    await main([directory, "--key", vkey], { stdout: { write: () => true }, stderr })
    assert.match(shown, /verifying: /)
    assert.isTrue(shown.endsWith("\r\u001b[K"))
  })

  it("runs as a program and passes its exit code on", async () => {
    const program = fileURLToPath(new URL("../src/node/rainlogs-verify.ts", import.meta.url))
    const exit = (...argv: ReadonlyArray<string>) =>
      new Promise<number>((resolve) => {
        const child = execFile(process.execPath, [program, ...argv], { timeout: 20_000 })
        child.on("exit", (code) => resolve(code ?? -1))
      })
    assert.strictEqual(await exit(directory, "--key", vkey, "--only", "integrity,completeness"), 0)
    assert.strictEqual(await exit(directory, "--key", vkey), 2)
  }, 30_000)
})

describe("a live ledger", () => {
  it("is verified by its URL, and no more is claimed than was looked at", () =>
    withLedgerServer(files, async ({ url }) => {
      const { code, stderr, stdout } = await run(url, "--key", vkey)
      assert.deepStrictEqual([code, stderr], [2, ""])
      assert.match(stdout, /^INTEGRITY +INCONCLUSIVE/m)
      assert.match(stdout, /OBJECTS_NOT_CHECKED/)
      assert.notMatch(stdout, /FAIL/)
      const own = await run(url, "--trust-on-first-use")
      assert.match(own.stdout, /TRUST_ON_FIRST_USE/)
    }))

  it("that was changed is found by its URL", () =>
    withLedgerServer(files, async (server) => {
      const name = ledgerKey(origin, tilePath(0, 0, 18))
      const tile = files.get(name) ?? new Uint8Array()
      server.files = new Map(files).set(name, tile.map((byte, at) => at === 40 ? byte ^ 1 : byte))
      const { code, stdout } = await run(server.url, "--key", vkey)
      assert.strictEqual(code, 1)
      assert.match(stdout, /TILE_MISMATCH/)
    }))

  it("is compared with a copy", () =>
    withLedgerServer(files, async (server) => {
      const same = await run("compare", directory, server.url, "--key", vkey)
      assert.deepStrictEqual([same.code, same.stderr], [0, ""])
      const forked = smallArchive()
      forked.entries.splice(2, 1)
      server.files = forked.relink().publish().files
      assert.strictEqual((await run("compare", directory, server.url, "--key", vkey)).code, 1)
    }))

  it("is watched", () =>
    withLedgerServer(files, async (server) => {
      const state = join(directory, "..", `${Date.now()}-${process.pid}.pin`)
      try {
        const look = () => run("watch", server.url, "--key", vkey, "--state", state, "--once")
        assert.strictEqual((await look()).code, 0)
        const grown = smallArchive()
        server.files = grown.window({ from: start + 3 * hour, to: start + 4 * hour, lines: "{}\n" }).publish().files
        const extended = await look()
        assert.deepStrictEqual([extended.code, JSON.parse(extended.stdout).size], [0, 19])
        server.files = files
        const back = await look()
        assert.deepStrictEqual([back.code, JSON.parse(back.stdout).code], [1, "ROLLED_BACK"])
        server.files = new Map()
        assert.match((await look()).stdout, /UNREADABLE.*check the URL/)
      } finally {
        rmSync(state, { force: true })
      }
    }))

  it("that is not there is said with what to do", () =>
    withLedgerServer(new Map(), async ({ url }) => {
      const missing = await run(url, "--key", vkey)
      assert.strictEqual(missing.code, 2)
      assert.match(missing.stderr, /checkpoint is not there; check the URL/)
      const wrong = await run("https://user:pass@archive.example.eu/", "--key", vkey)
      assert.deepStrictEqual([wrong.code, wrong.stderr.includes("pass@")], [2, false])
    }))
})
