import { execFileSync, spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { type BundleInput, BundleRequestError } from "../../src/bundle/BundleRequest.ts"
import type { ByteSource } from "../../src/bundle/BundleZip.ts"
import { verifyBundle } from "../../src/bundle/VerifyBundle.ts"
import { writeBundle } from "../../src/bundle/WriteBundle.ts"
import * as Bytes from "../../src/Bytes.ts"
import { ledgerKey } from "../../src/Layout.ts"
import { newHash } from "../../src/node/BundleFile.ts"
import { verify as verifySignature } from "../../src/node/NativeEd25519.ts"
import { exitCode } from "../../src/Report.ts"
import type { ArchiveBuilder } from "../../src/tampering/ArchiveBuilder.ts"
import { day, encrypted, evidenceArchive, trust } from "../../src/tampering/EvidenceArchive.ts"
import { OpensslTimestampAuthority } from "../../src/tampering/OpensslTimestampAuthority.ts"
import { largeArchive, origin, start, zone } from "../ArchiveBuilder.ts"
import { memoryReader } from "../MemoryReader.ts"

const input = (builder: ArchiveBuilder, more: Partial<BundleInput> = {}): BundleInput => ({
  reader: memoryReader(builder.files),
  stream: async function*(key) {
    const bytes = builder.files.get(key)
    if (bytes === undefined) throw new Error(`no ${key}`)
    yield bytes
  },
  newHash,
  ...more
})
const request = (from: number, to: number) => ({ origin, chain: zone, from, to })
const collect = async (from: AsyncIterable<Uint8Array>) => {
  const parts: Array<Uint8Array> = []
  for await (const part of from) parts.push(part)
  return Bytes.concat(...parts)
}
const sourceOf = (bytes: Uint8Array): ByteSource => ({
  size: bytes.length,
  read: (offset, length) => Promise.resolve(bytes.slice(offset, offset + length))
})

describe("making a bundle", () => {
  let built: ArchiveBuilder
  let directory = ""
  let authority: OpensslTimestampAuthority
  const at = (name: string) => join(directory, name)
  beforeAll(async () => {
    built = await evidenceArchive(120)
    authority = new OpensslTimestampAuthority()
    const heads = [...built.files.keys()].filter((key) => key.includes("/checkpoint.d/")).sort()
    const head = heads.at(-1) ?? ""
    const receipt = authority.stamp(built.files.get(head) ?? new Uint8Array(0))
    built.files.set(ledgerKey(origin, `anchor/${Number(head.slice(-20))}/tsa.tsr`), receipt)
    directory = mkdtempSync(join(tmpdir(), "rainlogs-write-bundle-"))
  }, 60_000)
  afterAll(() => {
    authority.close()
    rmSync(directory, { recursive: true, force: true })
  })

  it("holds what the verifier asks for, with the same bytes every time", async () => {
    const asked = request(start + 40 * day, start + 50 * day)
    const bundle = await collect(writeBundle(input(built), asked))
    assert.deepStrictEqual(await collect(writeBundle(input(built), asked)), bundle)
    const report = await verifyBundle(sourceOf(bundle), { ...trust(), verifySignature }, newHash)
    assert.strictEqual(exitCode(report), 0, JSON.stringify(report.findings.slice(0, 5)))
    assert.strictEqual(report.counts.objects, 8)
    assert.strictEqual(report.counts.entries, built.entries.length)
  })

  it("discloses data keys only when asked, and the verifier holds them against their objects", async () => {
    const asked = request(start + encrypted.day * day, start + (encrypted.day + 1) * day)
    const judge = async (dataKey: Uint8Array) => {
      const bundle = await collect(writeBundle(input(built, { dataKey: () => Promise.resolve(dataKey) }), asked))
      return verifyBundle(sourceOf(bundle), { ...trust(), verifySignature }, newHash)
    }
    assert.strictEqual(exitCode(await judge(encrypted.dataKey)), 0)
    const wrong = await judge(new Uint8Array(32))
    assert.include(wrong.findings.map(({ code }) => code), "DEK_COMMITMENT_MISMATCH")
    const closed = await collect(writeBundle(input(built), asked))
    assert.notInclude(new TextDecoder("latin1").decode(closed), "disclosed/")
  })

  it("shows one published size, whatever was appended or tidied up since", async () => {
    const builder = largeArchive(6)
    const asked = request(start, start + 60 * 60_000)
    const before = await collect(writeBundle(input(builder), asked))
    // The publisher went on: wider tiles are there, ours were removed, and the served checkpoint is still ours.
    const more = largeArchive(7)
    for (const [key, bytes] of more.files) {
      if (/\/(tile|event)\//.test(key)) builder.files.set(key, bytes)
    }
    for (const key of builder.files.keys()) {
      if (/\/tile\/(0|entries)\/001\.p\//.test(key) && !more.files.has(key)) builder.files.delete(key)
    }
    for (const key of builder.files.keys()) {
      if (/\/tile\/(0|entries)\/001\.p\/112$/.test(key)) builder.files.delete(key)
    }
    assert.deepStrictEqual(await collect(writeBundle(input(builder), asked)), before)
  })

  it("says what is missing instead of making half a bundle", async () => {
    const empty = await evidenceArchive(1)
    empty.files.clear()
    const error = await collect(writeBundle(input(empty), request(0, 1))).then(() => null, (reason: unknown) => reason)
    assert.instanceOf(error, BundleRequestError)
    assert.match(String(error), /nothing is published yet/)
  })

  it.each(["README.en.txt", "README.it.txt"])(
    "can be checked by hand with the commands of its %s alone",
    async (name) => {
      const asked = request(start + 40 * day, start + 50 * day)
      writeFileSync(at("evidence.zip"), await collect(writeBundle(input(built), asked)))
      rmSync(at("out"), { recursive: true, force: true })
      execFileSync("python3", ["-m", "zipfile", "-e", at("evidence.zip"), at("out")])
      writeFileSync(at("out/tsa-root.pem"), authority.root)
      const readme = readFileSync(at(`out/${name}`), "utf8")
      assert.notMatch(readme, /\bundefined\b|\bnull\b|\[object/)
      const commands = readme.split("\n").filter((line) => line.startsWith("    ") && !line.includes("npx ")).map((
        line
      ) => line.slice(4))
      assert.isAbove(commands.length, 25)
      const script = `set -euo pipefail\n${commands.join("\n")}\n`
      // An empty environment: no variable and no program of ours.
      const run = () =>
        spawnSync("bash", ["-c", script], { cwd: at("out"), env: { PATH: "/usr/bin:/bin" }, encoding: "utf8" })
      const right = run()
      assert.strictEqual(right.status, 0, `${right.stdout}${right.stderr}`)
      const said = right.stdout.trim().split("\n")
      assert.deepStrictEqual(said.slice(0, 5), [
        "OK",
        "OK object",
        "OK chain link",
        "OK inclusion in the signed tree",
        "Signature Verified Successfully"
      ])
      assert.match(right.stdout + right.stderr, /Verification: OK/)

      const object =
        readdirSync(at("out/archive/logs"), { recursive: true, encoding: "utf8" }).filter((path) =>
          path.endsWith("ndjson")
        ).sort()[0] ?? ""
      const path = join(at("out/archive/logs"), object)
      const bytes = readFileSync(path)
      bytes[3] = (bytes[3] ?? 0) ^ 1
      writeFileSync(path, bytes)
      const wrong = run()
      assert.notStrictEqual(wrong.status, 0)
      assert.match(wrong.stdout + wrong.stderr, /FAILED/)
      // Without the first level, the second finds it as well.
      const byHand = spawnSync("bash", ["-c", script.replace(/^sha256sum -c.*$/m, "")], {
        cwd: at("out"),
        env: { PATH: "/usr/bin:/bin" },
        encoding: "utf8"
      })
      assert.match(byHand.stdout, /WRONG object/)
    },
    60_000
  )
})
