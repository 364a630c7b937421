import { printCheckpoint } from "@rainlogs/verify/Checkpoint"
import { CompactRange, consistencyProof, leafHash, nodeHash, type ReadNode } from "@rainlogs/verify/Merkle"
import { signNote } from "@rainlogs/verify/Note"
import { log, origin } from "@rainlogs/verify/tampering/ArchiveBuilder"
import { printVerifierKey } from "@rainlogs/verify/VerifierKey"
import { printAddCheckpoint } from "@rainlogs/verify/witness/AddCheckpoint"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, describe, it } from "vitest"

const root = fileURLToPath(new URL("../../", import.meta.url))
const directory = mkdtempSync(join(tmpdir(), "rainlogs-witness-process-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const leaves = Array.from({ length: 200 }, (_, index) => leafHash(new TextEncoder().encode(`leaf ${index}`)))
const read: ReadNode = (level, index) =>
  level === 0
    ? leaves[index] ?? new Uint8Array(32)
    : Promise.all([read(level - 1, 2 * index), read(level - 1, 2 * index + 1)]).then(([left, right]) =>
      nodeHash(left, right)
    )
const requestOf = async (old: number, size: number) => {
  const tree = CompactRange.empty()
  for (const leaf of leaves.slice(0, size)) tree.append(leaf)
  const checkpoint = signNote(printCheckpoint({ origin, size, root: tree.root() }), [log])
  return printAddCheckpoint({ old, checkpoint, proof: old === 0 ? [] : await consistencyProof(read, old, size) })
}

const start = (...more: ReadonlyArray<string>) =>
  new Promise<{ readonly child: ChildProcess; readonly url: string; readonly vkey: string }>((resolve, reject) => {
    const argv = [
      "witness",
      "--data",
      join(directory, "data"),
      "--port",
      "0",
      "--log",
      printVerifierKey(log.key),
      ...more
    ]
    const child = spawn(join(root, "node_modules/.bin/node"), [join(root, "appliance/src/main.ts"), ...argv])
    let said = ""
    child.stdout.on("data", (chunk) => {
      said += String(chunk)
      const [, vkey] = /^vkey (.*)$/m.exec(said) ?? []
      const [, url] = /^listening (\S+),/m.exec(said) ?? []
      if (vkey !== undefined && url !== undefined) resolve({ child, url, vkey })
    })
    child.stderr.on("data", (chunk) => (said += String(chunk)))
    child.once("exit", (code) => reject(new Error(`the witness ended with ${code}: ${said}`)))
  })
const post = async (url: string, body: Uint8Array) => {
  const response = await fetch(url, { method: "POST", body: new Uint8Array(body) })
  return { status: response.status, body: await response.text() }
}
const stopped = (child: ChildProcess, signal: NodeJS.Signals) =>
  new Promise<number | null>((resolve) => {
    child.removeAllListeners("exit").once("exit", (code) => resolve(code))
    child.kill(signal)
  })

describe("rainlogs witness", () => {
  it("remembers through kill -9 at any moment, and never signs a step back", async () => {
    const first = await start("--name", "witness.example.org/w1")
    assert.match(first.vkey, /^witness\.example\.org\/w1\+/)
    assert.strictEqual(statSync(join(directory, "data", "witness.key")).mode & 0o077, 0)
    let { child, url } = first
    let cosigned = 0
    for (let round = 0; round < 4; round++) {
      // Steps until the process is killed in the midst of them.
      const killed = new Promise<void>((resolve) =>
        setTimeout(() => void stopped(child, "SIGKILL").then(() => resolve()), 400)
      )
      for (let size = cosigned + 1; size <= 190; size++) {
        const answer = await requestOf(cosigned, size).then((body) => post(url, body)).catch(() => null)
        if (answer === null) break
        assert.strictEqual(answer.status, 200, answer.body)
        cosigned = size
      }
      await killed
      const next = await start()
      assert.strictEqual(next.vkey, first.vkey)
      ;[child, url] = [next.child, next.url]
      // It has seen what it answered for, and at most the one step whose answer was lost.
      const { body, status } = await post(url, await requestOf(0, 1))
      assert.strictEqual(status, 409)
      assert.include([cosigned, cosigned + 1], Number(body))
      cosigned = Number(body)
    }
    assert.isAbove(cosigned, 3)
    assert.strictEqual((await fetch(url)).status, 405)
    assert.strictEqual((await post(url, new Uint8Array(100_000))).status, 413)
    assert.strictEqual(await stopped(child, "SIGTERM"), 130)
  }, 60_000)

  it("says what is missing", async () => {
    const message = await start("--log", "nonsense").then(() => "it runs", String)
    assert.match(message, /--log "nonsense"/)
  }, 30_000)
})
