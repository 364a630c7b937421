import { afterAll, assert, describe, it } from "@effect/vitest"
import { BundleZip } from "@rainlogs/verify/bundle/BundleZip"
import { decryptChunks, openHeader } from "@rainlogs/verify/ChunkedEncryption"
import { main as verify } from "@rainlogs/verify/cli"
import { withBundleFile } from "@rainlogs/verify/node/BundleFile"
import { spawn } from "node:child_process"
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { zstdDecompressSync } from "node:zlib"

const root = fileURLToPath(new URL("../../", import.meta.url))
const bun = join(root, "node_modules", ".bin", "bun")
const directory = mkdtempSync(join(tmpdir(), "rainlogs-demo-test-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command; `onStderr` may signal it. */
const rainlogs = (args: ReadonlyArray<string>, onStderr: (text: string, stop: () => void) => void = () => {}) =>
  new Promise<Ended>((resolve, reject) => {
    const child = spawn(bun, [join(root, "appliance/src/main.ts"), ...args], { stdio: ["ignore", "pipe", "pipe"] })
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (chunk) => stdout += chunk)
    child.stderr.on("data", (chunk) => {
      stderr += chunk
      onStderr(stderr, () => child.kill("SIGINT"))
    })
    child.on("error", reject)
    child.on("close", (code) => resolve({ code, stdout, stderr }))
  })

const lastLine = ({ stdout }: Ended) => JSON.parse(stdout.trimEnd().split("\n").at(-1)!)

const sink = () => {
  const written: Array<string> = []
  return { written, output: { stdout: { write: (text: string) => written.push(text) }, stderr: { write: () => true } } }
}

/** The plaintext of the first object of a bundle with disclosed keys. */
const openDisclosed = (bundle: string) =>
  withBundleFile(bundle, async (source) => {
    const zip = await BundleZip.open(source)
    const members = [...zip.members]
    const object = members.find(({ name }) => name.endsWith(".ndjson.zst"))
    const job = /([0-9a-f-]{36})-[0-9a-f]{16}\.ndjson/.exec(object?.name ?? "")?.[1] ?? ""
    const disclosed = zip.member(`disclosed/${job}.key`)
    if (object === undefined || disclosed === undefined) throw new Error("no object with a disclosed key")
    const stored = await zip.read(object)
    const dataKey = Buffer.from(Buffer.from(await zip.read(disclosed)).toString().trim(), "hex")
    const keys = await openHeader(stored, new Uint8Array(dataKey), job)
    if (keys === null) throw new Error("the key is another object's")
    const chunks: Array<Uint8Array> = []
    for await (const chunk of decryptChunks(stored, keys)) chunks.push(chunk)
    return zstdDecompressSync(Buffer.concat(chunks)).toString()
  })

describe("rainlogs demo", () => {
  const data = join(directory, "data")

  it(
    "backfills, verifies and stops; the verifier alone agrees; a second run resumes; one flipped bit is caught",
    async () => {
      const first = await rainlogs(["demo", "--once", "--json", "--data", data])
      assert.strictEqual(first.code, 0, first.stderr)
      const result = lastLine(first)
      assert.deepStrictEqual(result.verdict, {
        integrity: "PASS",
        completeness: "PASS",
        anchoring: "INCONCLUSIVE",
        erasures: "PASS"
      })
      assert.strictEqual(result.archive, join(data, "archive"))
      assert.isAtLeast(result.windows, 6)
      assert.isAbove(result.records, 10_000)
      assert.isAbove(result.bytes, result.records * 500)
      assert.isBelow(result.seconds, 60)
      assert.match(result.apiUrl, /^http:\/\/127\.0\.0\.1:\d+$/)
      assert.match(result.apiKey, /^rl_/)
      for (const name of ["readyMs", "rssMb"]) assert.isAbove(result[name], 0, name)

      const alone = sink()
      const only = ["--only", "integrity,completeness"]
      assert.strictEqual(
        await verify([result.archive, "--key", result.vkey, ...only], alone.output),
        0,
        alone.written.join("")
      )
      assert.strictEqual(
        await verify([result.archive, "--key", result.vkey], sink().output),
        2,
        "anchors are not there yet"
      )

      const second = await rainlogs(["demo", "--once", "--json", "--data", data])
      assert.strictEqual(second.code, 0, second.stderr)
      assert.match(second.stderr, /Resuming/)
      const resumed = lastLine(second)
      assert.strictEqual(resumed.origin, result.origin)
      assert.isAtLeast(resumed.records, result.records)

      const third = await rainlogs(["demo", "--tamper", "--json", "--data", data])
      assert.strictEqual(third.code, 1, third.stderr)
      const tampered = lastLine(third)
      assert.strictEqual(tampered.verdict.integrity, "FAIL")
      const [finding] = tampered.findings
      assert.strictEqual(finding.code, "OBJECT_HASH_MISMATCH")
      assert.strictEqual(finding.key, tampered.tampered.key)
      assert.strictEqual(await verify([result.archive, "--key", result.vkey, ...only], sink().output), 1)
    },
    240_000
  )

  it("follows live until Ctrl-C, and leaves no database behind", async () => {
    const live = join(directory, "live")
    const ended = await rainlogs(["demo", "--data", live], (stderr, stop) => {
      if (stderr.includes("Following live")) stop()
    })
    assert.strictEqual(ended.code, 130, ended.stderr)
    assert.match(ended.stdout, /INTEGRITY +PASS\n +COMPLETENESS +PASS/)
    assert.throws(() => statSync(join(live, "postgres", "postmaster.pid")), /ENOENT/)
  }, 120_000)

  it("hands out evidence: a bundle that can be read and verified, and one line of it proven alone", async () => {
    const live = join(directory, "live")
    const { vkey, zone } = JSON.parse(readFileSync(join(live, "secrets", "demo.json"), "utf8"))
    const bundle = join(directory, "evidence.zip")
    const span = ["--data", live, "--zone", zone]
    const asked = [...span, "--from", "2000-01-01", "--to", "2100-01-01"]
    const made = await rainlogs(["bundle", ...asked, "--disclose", "--out", bundle, "--json"])
    assert.strictEqual(made.code, 0, made.stderr)
    const key = vkey
    const said = sink()
    const only = ["--only", "integrity,completeness,erasures"]
    assert.strictEqual(await verify([bundle, "--key", key, ...only], said.output), 0, said.written.join(""))

    // What is disclosed opens the objects without any of our services.
    const open = await openDisclosed(bundle)
    const { RayID: ray } = JSON.parse(open.split("\n")[5] ?? "{}")
    const out = join(directory, "line")
    const proven = await rainlogs(["prove", ...span, "--ray", ray, "--out", out, "--json"])
    assert.strictEqual(proven.code, 0, proven.stderr)
    assert.isAtMost(statSync(`${out}.line-proof`).size, 4096)
    assert.strictEqual(JSON.parse(readFileSync(`${out}.json`, "utf8")).RayID, ray)
    assert.strictEqual(await verify(["line", `${out}.line-proof`, `${out}.json`, "--key", key], sink().output), 0)
    writeFileSync(`${out}.json`, readFileSync(`${out}.json`, "utf8").replace(ray, ray.split("").toReversed().join("")))
    assert.strictEqual(await verify(["line", `${out}.line-proof`, `${out}.json`, "--key", key], sink().output), 1)

    const unknown = await rainlogs(["prove", ...span, "--ray", "no-such-ray"])
    assert.deepStrictEqual([unknown.code, /widen --from and --to/.test(unknown.stderr)], [1, true])
    const nowhere = await rainlogs(["bundle", "--data", join(directory, "nowhere"), ...asked.slice(2)])
    assert.deepStrictEqual([nowhere.code, /does not exist/.test(nowhere.stderr)], [1, true])
    assert.throws(() => statSync(join(directory, "nowhere")), /ENOENT/)
  }, 120_000)

  it("checks that database, archive and signer agree, and names what does not", async () => {
    const live = join(directory, "live")
    const archive = join(live, "archive")
    const fsck = async () => {
      const { code, stderr, stdout } = await rainlogs(["fsck", "--data", live, "--deep", "--json"])
      const { counts, problems } = JSON.parse(stdout === "" ? "{\"problems\":[]}" : stdout)
      const codes = problems.map(({ code }: { readonly code: string }) => code).toSorted()
      return { code, stderr, counts, codes }
    }
    const clean = await fsck()
    assert.deepStrictEqual([clean.code, clean.codes], [0, []], clean.stderr)
    assert.isAbove(clean.counts.objects, 0)

    const files = (below: string) =>
      readdirSync(join(archive, below), { recursive: true, encoding: "utf8" }).map((name) => join(archive, below, name))
        .filter((path) => statSync(path).isFile()).toSorted()
    const [object = "", second = ""] = files("logs")
    const [keyRecord = ""] = files("keys")
    const bundle = files("integrity").find((path) => path.includes("tile/entries/")) ?? ""
    const changed = (path: string) => {
      chmodSync(path, 0o600)
      const bytes = readFileSync(path)
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
      writeFileSync(path, bytes)
    }
    changed(object)
    changed(bundle)
    rmSync(second)
    rmSync(keyRecord)
    writeFileSync(join(archive, "logs", "stray"), "x")
    writeFileSync(join(archive, "keys", "01980000-0000-8000-8000-000000000000"), "x")
    const damaged = await fsck()
    assert.deepStrictEqual([damaged.code, damaged.codes], [
      1,
      ["KEY_MISSING", "OBJECT_HASH", "OBJECT_MISSING", "ORPHAN_KEY", "STRAY_FILE", "TILE_DIFFERS"]
    ])
    const nothing = await rainlogs(["fsck", "--data", join(directory, "nothing")])
    assert.deepStrictEqual([nothing.code, /no data directory/.test(nothing.stderr)], [1, true])
  }, 120_000)

  it("closes its secrets to other users", async () => {
    const secrets = join(directory, "live", "secrets")
    for (const name of ["admin.token", "demo.json", "master.key"]) {
      assert.strictEqual(statSync(join(secrets, name)).mode & 0o077, 0, name)
    }
    assert.strictEqual(readFileSync(join(secrets, "master.key")).length, 32)
  })

  it("a port that is taken, and an empty data directory, are said plainly", async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    try {
      const { port } = server.address() as AddressInfo
      const taken = await rainlogs(["demo", "--once", "--port", String(port), "--data", join(directory, "taken")])
      assert.strictEqual(taken.code, 1)
      assert.include(taken.stderr, `127.0.0.1 port ${port}: another process listens there`)
    } finally {
      server.close()
    }
    const empty = await rainlogs(["demo", "--once", "--data", ""])
    assert.strictEqual(empty.code, 1)
    assert.include(empty.stderr, "its name is empty")
  }, 60_000)

  it("a wrong flag is an error that says what there is", async () => {
    const ended = await rainlogs(["demo", "--onec"])
    assert.notStrictEqual(ended.code, 0)
    assert.include(ended.stdout + ended.stderr, "--once")
  }, 30_000)
})
