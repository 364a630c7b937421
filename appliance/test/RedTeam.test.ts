import { ArchiveBuilder, hour, log } from "@rainlogs/verify/tampering/ArchiveBuilder"
import { catalogue } from "@rainlogs/verify/tampering/Catalogue"
import { evidenceArchive, trust } from "@rainlogs/verify/tampering/EvidenceArchive"
import { archiveAttackCount, type AttackResult } from "@rainlogs/verify/tampering/RedTeam"
import { printVerifierKey } from "@rainlogs/verify/VerifierKey"
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "vitest"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

// Every file of a directory with its time of change and hash, and the directories themselves.
const stateOf = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory, { recursive: true, encoding: "utf8" }).sort().map((name) => {
    const path = join(directory, name)
    const { mtimeMs, mode } = statSync(path)
    const hash = statSync(path).isFile() ? createHash("sha256").update(readFileSync(path)).digest("hex") : ""
    return `${name} ${mtimeMs} ${mode} ${hash}`
  })

describe("rainlogs red-team", () => {
  let directory = ""
  let archive = ""
  const keys = trust().keys.flatMap((key) => ["--key", printVerifierKey(key)])
  const run = (...words: ReadonlyArray<string>) =>
    spawnSync(process.execPath, [main, "red-team", ...words], { encoding: "utf8", maxBuffer: 1e8 })
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "rainlogs-red-team-"))
    archive = join(directory, "archive")
    for (const [key, bytes] of (await evidenceArchive(45)).files) {
      mkdirSync(dirname(join(archive, key)), { recursive: true })
      writeFileSync(join(archive, key), bytes)
    }
  }, 60_000)
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  it("exposes every attack of the catalogue and on the archive, and does not touch the archive", () => {
    const before = stateOf(archive)
    const { status, stderr, stdout } = run(archive, ...keys, "--json")
    // The archive is months old, so nothing of it is within the insider's 30 days.
    const { allExposed, results } = JSON.parse(stdout) as { allExposed: boolean; results: Array<AttackResult> }
    assert.strictEqual(status, 0, stderr)
    assert.isTrue(allExposed)
    assert.strictEqual(results.length, catalogue.length + archiveAttackCount)
    assert.deepStrictEqual(results.filter(({ verdict }) => verdict === "NOT EXPOSED"), [])
    assert.deepStrictEqual(results.filter(({ verdict }) => verdict === "NOT TRIED").map(({ id }) => id), ["insider"])
    assert.isAtLeast(results.filter(({ verdict }) => verdict === "EXPOSED").length, 48)
    assert.isTrue(results.every(({ code, verdict }) => verdict !== "EXPOSED" || code !== null))
    assert.deepStrictEqual(stateOf(archive), before)
  }, 300_000)

  it("exit 1 when one was not exposed: the insider, where no anchor is trusted", () => {
    const recent = join(directory, "recent")
    const now = Date.now()
    const builder = new ArchiveBuilder().begin(now - 3 * hour)
    builder.window({ from: now - 3 * hour, to: now - 2 * hour, lines: "{}\n", time: now - 2 * hour })
    for (const [key, bytes] of builder.publish().files) {
      mkdirSync(dirname(join(recent, key)), { recursive: true })
      writeFileSync(join(recent, key), bytes)
    }
    const { status, stderr, stdout } = run(recent, "--key", printVerifierKey(log.key), "--seed", "7")
    assert.strictEqual(status, 1, stderr)
    assert.match(stdout, /NOT EXPOSED {2}insider\n.*write the last 30 days anew.*\n.*configure an anchor/)
    assert.match(stdout, /EXPOSED {6}object-flip +OBJECT_HASH_MISMATCH +logs\//)
    assert.match(stdout, /EXPOSED {6}backdate +ANCHOR_LAG_EXCEEDED/)
    assert.match(stdout, /^\d+ attacks exposed, 1 not exposed, \d+ not tried; \d+ controls cleared$/m)
  }, 300_000)

  it("exit 2 says what is wrong: no key, no archive, one that does not pass as it is", () => {
    const noKey = run(archive)
    assert.deepStrictEqual([noKey.status, noKey.stdout], [2, ""])
    assert.match(noKey.stderr, /no log key given/)
    const nowhere = run(join(directory, "none"), ...keys)
    assert.strictEqual(nowhere.status, 2)
    assert.match(nowhere.stderr, /does not exist/)
    const broken = join(archive, "logs")
    const object = readdirSync(broken, { recursive: true, encoding: "utf8" })
      .find((name) => name.endsWith(".ndjson")) ?? ""
    const bytes = readFileSync(join(broken, object))
    chmodSync(join(broken, object), 0o644)
    writeFileSync(join(broken, object), "{}\n")
    const unsound = run(archive, ...keys)
    writeFileSync(join(broken, object), bytes)
    assert.strictEqual(unsound.status, 2)
    assert.match(unsound.stderr, /OBJECT_HASH_MISMATCH.*verify it first/)
  }, 120_000)
})
