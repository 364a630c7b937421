import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { encode } from "../../src/Ascii.ts"
import { parseBundleScope, printBundleScope } from "../../src/bundle/BundleScope.ts"
import { BundleZip, type ByteSource } from "../../src/bundle/BundleZip.ts"
import { parseManifest, printManifest } from "../../src/bundle/Manifest.ts"
import { printBundle, printZip } from "../../src/bundle/PrintBundle.ts"
import { verifyBundle } from "../../src/bundle/VerifyBundle.ts"
import {
  isMemberName,
  MalformedBundleError,
  printCentralEntry,
  printEnd,
  printLocalHeader,
  type ZipMember
} from "../../src/bundle/ZipFormat.ts"
import * as Bytes from "../../src/Bytes.ts"
import { main } from "../../src/cli.ts"
import { newHash } from "../../src/node/BundleFile.ts"
import { verify as verifySignature } from "../../src/node/NativeEd25519.ts"
import { sha256 } from "../../src/node/NativeSha256.ts"
import { exitCode } from "../../src/Report.ts"
import { bundleMembers } from "../../src/tampering/EvidenceBundle.ts"
import { printVerifierKey } from "../../src/VerifierKey.ts"
import { hour, log, smallArchive, start } from "../ArchiveBuilder.ts"
import { assertStrict } from "../Mangle.ts"

const sourceOf = (bytes: Uint8Array): ByteSource => ({
  size: bytes.length,
  read: (offset, length) =>
    offset + length <= bytes.length
      ? Promise.resolve(bytes.slice(offset, offset + length))
      : Promise.reject(new Error("read past the end"))
})
const judge = (bytes: Uint8Array) =>
  verifyBundle(sourceOf(bytes), { keys: [log.key], sha256, verifySignature }, newHash)
const codes = async (bytes: Uint8Array) => new Set((await judge(bytes)).findings.map(({ code }) => code))

describe("a bundle", () => {
  let members: Map<string, Uint8Array>
  let bundle: Uint8Array
  let directory = ""
  beforeAll(async () => {
    members = await bundleMembers(smallArchive(), start, start + hour)
    bundle = printBundle(members)
    directory = mkdtempSync(join(tmpdir(), "rainlogs-bundle-"))
    writeFileSync(join(directory, "evidence.zip"), bundle)
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  it("is verified like an archive, and says what it does not hold", async () => {
    const report = await judge(bundle)
    assert.strictEqual(exitCode(report, ["integrity", "completeness", "erasures"]), 0, JSON.stringify(report.findings))
    assert.strictEqual(report.counts.objects, 5)
    assert.include(report.findings.map(({ code }) => code), "OUT_OF_SCOPE")
  })

  it("is the same bytes whatever the order of its members, and other tools read it", () => {
    assert.deepStrictEqual(printBundle(new Map([...members].toReversed())), bundle)
    const listed = execFileSync("python3", [
      "-c",
      `
import zipfile
archive = zipfile.ZipFile("evidence.zip")
assert archive.testzip() is None
print(len(archive.namelist()))
archive.extractall("out")`
    ], { cwd: directory, encoding: "utf8" })
    assert.strictEqual(Number(listed), members.size + 1)
    const checked = execFileSync("sha256sum", ["-c", "--strict", "--quiet", "MANIFEST.sha256"], {
      cwd: join(directory, "out"),
      encoding: "utf8"
    })
    assert.strictEqual(checked, "")
  })

  it("passes the command, by name of a file", async () => {
    let stdout = ""
    const output = { stdout: { write: (text: string) => (stdout += text) }, stderr: { write: () => true } }
    const argv = [
      join(directory, "evidence.zip"),
      "--key",
      printVerifierKey(log.key),
      "--only",
      "integrity,completeness"
    ]
    assert.strictEqual(await main(argv, output), 0)
    assert.match(stdout, /^Bundle {2}\d+ members; objects of /)
    writeFileSync(join(directory, "cut.zip"), bundle.subarray(0, -1))
    stdout = ""
    assert.strictEqual(await main([join(directory, "cut.zip"), ...argv.slice(1)], output), 3)
    assert.match(stdout, /MALFORMED MALFORMED_BUNDLE/)
  })

  it("is not believed after any byte was changed, removed or doubled", async () => {
    // Every position of a bundle of a few members, and every seventh of a whole one.
    const few = printBundle(new Map([...members].filter(([name]) => /SCOPE|README|proofs|policy/.test(name))))
    let tried = 0
    const refused = async (bytes: Uint8Array, what: string) => {
      tried += 1
      assert.isTrue((await codes(bytes)).has("MALFORMED_BUNDLE"), what)
    }
    for (const [whole, step] of [[few, 1], [bundle, 7]] as const) {
      for (let at = 0; at < whole.length; at += step) {
        await refused(whole.map((byte, index) => index === at ? byte ^ (1 << (at % 8)) : byte), `byte ${at} changed`)
        if (step > 1) continue
        await refused(Bytes.concat(whole.subarray(0, at), whole.subarray(at + 1)), `byte ${at} removed`)
        await refused(Bytes.concat(whole.subarray(0, at + 1), whole.subarray(at)), `byte ${at} doubled`)
      }
    }
    process.stdout.write(`bundle mangler: ${tried} changes, none accepted\n`)
  }, 600_000)

  it.each<[string, (all: Map<string, Uint8Array>) => Map<string, Uint8Array>]>([
    ["a member that the manifest does not name", (all) => all.set("extra", encode("x"))],
    ["no scope", (all) => (all.delete("SCOPE"), all)],
    ["no manifest", (all) => (all.delete("MANIFEST.sha256"), all)],
    ["contents that the manifest does not name", (all) => all.set("README.en.txt", encode("other\n"))]
  ])("is malformed with %s", async (_, edit) => {
    const zip = await BundleZip.open(sourceOf(bundle))
    const all = new Map<string, Uint8Array>()
    for (const member of zip.members) all.set(member.name, await zip.read(member))
    assert.isTrue((await codes(printZip(edit(all)))).has("MALFORMED_BUNDLE"))
  })

  it("without its ledger verifies nothing", async () => {
    const empty = printBundle(new Map([...members].filter(([name]) => !name.startsWith("archive/"))))
    assert.isTrue((await codes(empty)).has("NOTHING_VERIFIED"))
  })
})

describe("the container", () => {
  const central = (list: ReadonlyArray<ZipMember>, parts: ReadonlyArray<Uint8Array>) => {
    const offset = Bytes.concat(...parts).length
    const directory = Bytes.concat(...list.map(printCentralEntry))
    return Bytes.concat(...parts, directory, printEnd({ members: list.length, offset, size: directory.length }))
  }
  const refused = async (bytes: Uint8Array, message: RegExp) => {
    const error = await BundleZip.open(sourceOf(bytes)).then(() => null, (reason: unknown) => reason)
    assert.instanceOf(error, MalformedBundleError)
    assert.match(String(error), message)
  }

  it("refuses names that lead elsewhere", async () => {
    for (const name of ["../x", "/x", "a//b", "a/./b", "a/..", "a\\b", "C:x", "a b", "", "a\u0000", "a/"]) {
      assert.isFalse(isMemberName(name), name)
    }
    const member = { name: "../x", offset: 0, size: 0, crc: 0 }
    await refused(central([member], [printLocalHeader(member)]), /not allowed/)
  })

  it("refuses doubled, unsorted, overlapping and distant members", async () => {
    const at = (name: string, offset: number): ZipMember => ({ name, offset, size: 0, crc: 0 })
    const header = printLocalHeader(at("a", 0))
    await refused(central([at("a", 0), at("a", header.length)], [header, header]), /not sorted, or twice/)
    await refused(central([at("b", 0), at("a", header.length)], [header, header]), /not sorted, or twice/)
    await refused(central([at("a", 0), at("b", 0)], [header, header]), /does not follow/)
    await refused(central([at("a", 0)], [header, Uint8Array.of(1)]), /bytes between/)
  })

  it("refuses a member of 4 TiB and a directory larger than memory before it reserves any", async () => {
    const bomb = { name: "a", offset: 0, size: 4 * 2 ** 40, crc: 0 }
    await refused(central([bomb], [printLocalHeader(bomb)]), /declares more bytes/)
    const end = printEnd({ members: 9, offset: 0, size: 2 ** 40 })
    const source = {
      size: 2 ** 40 + end.length,
      read: (offset: number) => Promise.resolve(end.slice(offset - 2 ** 40))
    }
    const error = await BundleZip.open(source).then(() => null, (reason: unknown) => reason)
    assert.match(String(error), /central directory of 1099511627776 bytes/)
  })

  it("refuses what follows the end, and comments", async () => {
    const zip = printZip(new Map([["a", encode("x")]]))
    await refused(Bytes.concat(zip, Uint8Array.of(0)), /end record|central directory/)
    const commented = Bytes.concat(zip, encode("hi"))
    new DataView(commented.buffer).setUint16(zip.length - 2, 2, true)
    await refused(commented, /end record|central directory/)
  })

  it("takes members and offsets beyond 4 GiB, with Zip64, as other tools write them", async () => {
    const size = 5 * 2 ** 30
    const [large, small] = [{ name: "a", offset: 0, size, crc: 0 }, { name: "b", offset: 0, size: 3, crc: 0x352441c2 }]
    const header = printLocalHeader(large)
    const second = { ...small, offset: header.length + size }
    const tail = [printLocalHeader(second), encode("abc")]
    const offset = second.offset + Bytes.concat(...tail).length
    const entries = Bytes.concat(printCentralEntry(large), printCentralEntry(second))
    const end = Bytes.concat(...tail, entries, printEnd({ members: 2, offset, size: entries.length }))
    // Five gibibytes of zeros are not written: the source makes them up.
    const source: ByteSource = {
      size: second.offset + end.length,
      read: (from, length) => {
        const bytes = new Uint8Array(length)
        for (const [part, at] of [[header, 0], [end, second.offset]] as const) {
          const begin = Math.max(from, at)
          const stop = Math.min(from + length, at + part.length)
          if (begin < stop) bytes.set(part.subarray(begin - at, stop - at), begin - from)
        }
        return Promise.resolve(bytes)
      }
    }
    const zip = await BundleZip.open(source)
    const member = zip.member("b")
    assert.deepStrictEqual(member, second)
    if (member !== undefined) assert.deepStrictEqual(await zip.read(member), encode("abc"))
    assert.strictEqual(zip.member("a")?.size, size)
  })
})

describe("the formats in it", () => {
  it("read only what they print", () => {
    const scope = encode(printBundleScope(parseBundleScope(
      "rainlogs-bundle/v1\norigin archive.example.eu/t/6f1c1e0e-3b1a-4c37-8a55-0d5b7e9a2f10\n" +
        "chain 9d2a6c1e-58a7-4f2f-9b0e-6d7f4c8b1a22\nfrom 5\nto 6\nsize 18\ndisclosed no\n"
    )))
    const text = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes)
    assertStrict(scope, (bytes) => encode(printBundleScope(parseBundleScope(text(bytes)))))
    const manifest = encode(`${"ab".repeat(32)}  SCOPE\n${"cd".repeat(32)}  archive/a\n`)
    assertStrict(manifest, (bytes) => printManifest(parseManifest(bytes)))
  })
})
