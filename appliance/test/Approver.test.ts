import { parseNote, verifyNote } from "@rainlogs/verify/Note"
import { printRelease } from "@rainlogs/verify/Release"
import { parseVerifierKey } from "@rainlogs/verify/VerifierKey"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "vitest"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))
const id = "01980000-0000-7000-8000-000000000010"
const text = printRelease({ origin: `archive.example.eu/t/${id}`, id, hold: id, basis: "case 12 closed", issued: 1 })

describe("rainlogs approver", () => {
  let directory = ""
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "rainlogs-approver-"))
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  const run = (...words: ReadonlyArray<string>) =>
    spawnSync(process.execPath, [main, "approver", ...words], {
      encoding: "utf8",
      cwd: directory,
      env: { ...process.env, RAINLOGS_APPROVER_PASSPHRASE: "correct horse battery" }
    })

  it("makes a key that is never overwritten, and signs with it only what it showed and was told to", () => {
    const made = run("new", "--name", "approver.example.eu/dpo", "--out", "dpo.key")
    assert.strictEqual(made.status, 0, made.stderr)
    const key = parseVerifierKey(made.stdout.trim())
    assert.strictEqual(statSync(join(directory, "dpo.key")).mode & 0o777, 0o600)
    const again = run("new", "--name", "approver.example.eu/dpo", "--out", "dpo.key")
    assert.strictEqual(again.status, 1)
    assert.include(again.stderr, "exists already")

    const document = join(directory, "release.txt")
    writeFileSync(document, text)
    const unasked = run("sign", "release.txt", "--key", "dpo.key")
    assert.strictEqual(unasked.status, 1)
    assert.include(unasked.stdout, `RELEASE of hold ${id}`)
    assert.strictEqual(readFileSync(document, "utf8"), text)

    const signed = run("sign", "release.txt", "--key", "dpo.key", "--yes")
    assert.strictEqual(signed.status, 0, signed.stderr)
    const note = parseNote(readFileSync(document))
    assert.strictEqual(note.text, text)
    assert.deepStrictEqual(verifyNote(note, [key]).verified, [key])

    writeFileSync(join(directory, "checkpoint"), `archive.example.eu/t/${id}\n7\n${"A".repeat(43)}=\n`)
    const refused = run("sign", "checkpoint", "--key", "dpo.key", "--yes")
    assert.strictEqual(refused.status, 1)
    assert.include(refused.stderr, "nothing else")
  }, 60_000)
})
