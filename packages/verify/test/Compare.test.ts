import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { encode } from "../src/Ascii.ts"
import { main } from "../src/cli.ts"
import { compareArchives } from "../src/CompareArchives.ts"
import { objectionTo, parseEquivocation, printEquivocation } from "../src/EquivocationProof.ts"
import { checkpointKey } from "../src/Layout.ts"
import { signer } from "../src/tampering/ArchiveBuilder.ts"
import { printVerifierKey } from "../src/VerifierKey.ts"
import {
  type ArchiveBuilder,
  clock,
  firstEpoch,
  hour,
  hourOfWindows,
  log,
  origin,
  smallArchive,
  start,
  writeArchive
} from "./ArchiveBuilder.ts"
import { assertStrict } from "./Mangle.ts"
import { memoryReader } from "./MemoryReader.ts"

const vkey = printVerifierKey(log.key)
const compare = (left: ArchiveBuilder, right: ArchiveBuilder) =>
  compareArchives([memoryReader(left.files), memoryReader(right.files)], { logKey: log.key })
const longer = (): ArchiveBuilder => hourOfWindows(smallArchive(), start + 3 * hour).heartbeat(firstEpoch + 3).publish()
// The same log, another history from the tenth entry on.
const fork = (): ArchiveBuilder => {
  const builder = smallArchive().copy()
  builder.entries.splice(9)
  for (const key of builder.files.keys()) if (/\/(tile|checkpoint)/.test(key)) builder.files.delete(key)
  return hourOfWindows(builder, start + hour).heartbeat(firstEpoch + 1).publish()
}
const longFork = (): ArchiveBuilder => hourOfWindows(fork(), start + 2 * hour).heartbeat(firstEpoch + 2).publish()

describe("two copies of one ledger", () => {
  it("are consistent when one is the beginning of the other, in both orders", async () => {
    for (
      const [left, right] of [[smallArchive(), longer()], [longer(), smallArchive()], [longer(), longer()]] as const
    ) {
      const outcome = await compare(left, right)
      assert.deepStrictEqual([outcome.verdict, outcome.proof, outcome.findings], ["consistent", null, []])
      assert.isAbove(outcome.consistent, 2)
    }
  })

  it("prove an equivocation at one size and across sizes, and the proof stands on its own", async () => {
    const sameSize = fork()
    const size = smallArchive().entries.length
    while (sameSize.entries.length < size) sameSize.heartbeat(firstEpoch + 5, { time: start + 9 * hour })
    sameSize.publish()
    for (
      const [left, right] of [[smallArchive(), sameSize], [longer(), fork()], [smallArchive(), longFork()]] as const
    ) {
      const { contradiction, proof, verdict } = await compare(left, right)
      assert.strictEqual(verdict, "equivocation")
      assert.match(contradiction?.join(" ") ?? "", /A integrity.*B integrity|B integrity.*A integrity/)
      if (proof === null) throw new Error("no proof")
      const read = parseEquivocation(printEquivocation(proof))
      assert.isNull(objectionTo(read, [log.key]))
      assert.match(objectionTo(read, [signer(origin, 1, 9).key]) ?? "", /not validly signed/)
    }
  })

  it("prove nothing where nothing is wrong or nothing is there", async () => {
    const empty = smallArchive()
    empty.files.clear()
    assert.strictEqual((await compare(smallArchive(), empty)).verdict, "inconclusive")
    const untiled = longer()
    for (const key of untiled.files.keys()) if (key.includes("/tile/0/")) untiled.files.delete(key)
    const { findings, verdict } = await compare(smallArchive(), untiled)
    assert.deepStrictEqual([verdict, findings.map(({ code }) => code)], ["inconclusive", ["TILE_MISSING"]])
    const { served } = smallArchive().sign()
    assert.match(objectionTo({ first: served, second: served, prefix: null }, [log.key]) ?? "", /same/)
    const older = smallArchive().sign(9).immutable
    assert.match(objectionTo({ first: older, second: served, prefix: null }, [log.key]) ?? "", /proof is needed/)
  })
})

describe("a proof of equivocation", () => {
  it("reads only what it prints", async () => {
    const { proof } = await compare(smallArchive(), longFork())
    if (proof === null) throw new Error("no proof")
    const text = encode(printEquivocation(proof))
    assertStrict(text, (bytes) => encode(printEquivocation(parseEquivocation(new TextDecoder("latin1").decode(bytes)))))
  }, 30_000)
})

describe("the commands", () => {
  let directory = ""
  const at = (name: string) => join(directory, name)
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "rainlogs-compare-"))
    writeArchive(at("small"), smallArchive().files)
    writeArchive(at("longer"), longer().files)
    writeArchive(at("fork"), longFork().files)
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  const run = async (...argv: ReadonlyArray<string>) => {
    let [stdout, stderr] = ["", ""]
    const code = await main(argv, {
      stdout: { write: (text: string) => (stdout += text) },
      stderr: { write: (text: string) => (stderr += text) }
    })
    return { code, stdout, stderr }
  }

  it("compare: exit 0 for one history, 1 with a proof file for two, 2 when misused", async () => {
    const fine = await run("compare", at("small"), at("longer"), "--key", vkey)
    assert.deepStrictEqual([fine.code, fine.stderr], [0, ""])
    assert.match(fine.stdout, /Verdict CONSISTENT/)
    const forked = await run("compare", at("small"), at("fork"), "--key", vkey, "--out", at("proof"), "--json")
    assert.strictEqual(forked.code, 1)
    const { proof }: { proof: string } = JSON.parse(forked.stdout)
    assert.strictEqual(readFileSync(at("proof"), "utf8"), proof)
    assert.strictEqual((await run("compare", at("small"), "--key", vkey)).code, 2)
    assert.match((await run("compare", at("small"), at("fork"))).stderr, /pass --key once/)
  })

  it("watch: pins what it sees, and calls the alarm when the log takes it back", async () => {
    const state = at("state")
    const watch = (archive: string, ...more: ReadonlyArray<string>) =>
      run("watch", at(archive), "--key", vkey, "--state", state, "--once", ...more)
    assert.strictEqual((await watch("small")).code, 0)
    const pinned = readFileSync(state, "utf8")
    assert.strictEqual((await watch("longer")).code, 0)
    assert.notStrictEqual(readFileSync(state, "utf8"), pinned)
    const grown = readFileSync(state, "utf8")
    const alarm = await watch("small", "--on-alarm", `cat > ${at("alarm")}`)
    assert.strictEqual(alarm.code, 1)
    const { code, outcome }: { code: string; outcome: string } = JSON.parse(readFileSync(at("alarm"), "utf8"))
    assert.deepStrictEqual([code, outcome], ["ROLLED_BACK", "alarm"])
    assert.strictEqual(readFileSync(state, "utf8"), grown)
    writeFileSync(state, pinned)
    const forked = await watch("fork")
    const { proof }: { proof: string } = JSON.parse(forked.stdout)
    assert.strictEqual(forked.code, 1)
    assert.isNull(objectionTo(parseEquivocation(proof), [log.key]))
  })

  it("watch: an old head, a missing one and a strange one are alarms of their own", async () => {
    const watch = (archive: string, ...more: ReadonlyArray<string>) =>
      run("watch", at(archive), "--key", vkey, "--state", at("other-state"), "--once", ...more)
    const old = await watch("small", "--key", printVerifierKey(clock.key), "--max-age", "1h")
    assert.deepStrictEqual([old.code, /"code":"STALE"/.test(old.stdout)], [2, true])
    const gone = smallArchive()
    gone.files.delete(checkpointKey(origin))
    writeArchive(at("gone"), gone.files)
    assert.match((await watch("gone")).stdout, /CHECKPOINT_MISSING/)
    assert.match((await watch("nowhere")).stdout, /UNREADABLE.*does not exist/)
    const failing = await watch("nowhere", "--on-alarm", "exit 7")
    assert.match(failing.stderr, /exit code 7/)
    const other = printVerifierKey(signer(origin, 1, 9).key)
    assert.match((await run("watch", at("small"), "--key", other, "--state", at("s"), "--once")).stdout, /UNKNOWN_KEY/)
    assert.isFalse(existsSync(at("s")))
  })

  it("watch: goes on until it is told to stop", () => {
    const program = new URL("../src/node/rainlogs-verify.ts", import.meta.url).pathname
    const script =
      `"${process.execPath}" "${program}" watch "${at("small")}" --key "${vkey}" --state "${at("loop")}" ` +
      `--every 200ms > "${at("lines")}" & pid=$!; for _ in $(seq 150); do [ "$(wc -l < "${
        at("lines")
      }")" -ge 3 ] && break; sleep 0.1; done; kill -TERM $pid; wait $pid; echo "exit $?"`
    assert.strictEqual(execFileSync("bash", ["-c", script], { encoding: "utf8" }), "exit 0\n")
    assert.isAbove(readFileSync(at("lines"), "utf8").split("\n").length, 3)
  }, 20_000)
})
