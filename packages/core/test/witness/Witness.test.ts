import { encode } from "@rainlogs/verify/Ascii"
import { printCheckpoint } from "@rainlogs/verify/Checkpoint"
import { publicKey } from "@rainlogs/verify/Ed25519"
import * as Hex from "@rainlogs/verify/Hex"
import { CompactRange, consistencyProof, leafHash, nodeHash, type ReadNode } from "@rainlogs/verify/Merkle"
import { parseNote, signNote, verifyNote } from "@rainlogs/verify/Note"
import { makeVerifierKey } from "@rainlogs/verify/VerifierKey"
import { printAddCheckpoint } from "@rainlogs/verify/witness/AddCheckpoint"
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { Witness } from "../../src/witness/Witness.ts"

const seed = (fill: number) => new Uint8Array(32).fill(fill)
const origin = "archive.example.eu/t/6f1c1e0e-3b1a-4c37-8a55-0d5b7e9a2f10"
const log = { key: makeVerifierKey(origin, 1, publicKey(seed(1))), seed: seed(1) }
const signer = { key: makeVerifierKey("witness.example.org/w1", 4, publicKey(seed(5))), seed: seed(5) }

const treeOf = (size: number, kind = "a") => {
  const leaves = Array.from({ length: size }, (_, index) => leafHash(encode(`${kind}${index}`)))
  const tree = CompactRange.empty()
  for (const leaf of leaves) tree.append(leaf)
  const read: ReadNode = (level, index) =>
    level === 0
      ? leaves[index] ?? new Uint8Array(32)
      : Promise.all([read(level - 1, 2 * index), read(level - 1, 2 * index + 1)]).then(([left, right]) =>
        nodeHash(left, right)
      )
  return { root: tree.root(), read }
}
const request = async (old: number, size: number, kind = "a", by = log) => {
  const { read, root } = treeOf(size, kind)
  const checkpoint = signNote(printCheckpoint({ origin, size, root }), [by])
  return printAddCheckpoint({
    old,
    checkpoint,
    proof: old === 0 || old >= size ? [] : await consistencyProof(read, old, size)
  })
}

describe("a witness", () => {
  let directory = ""
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "rainlogs-witness-"))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))
  const witness = () => new Witness({ directory, signer, logs: [log.key] })

  it("cosigns what grows, says what it has seen otherwise, and remembers across restarts", async () => {
    const first = await witness().addCheckpoint(await request(0, 3), 1000)
    assert.strictEqual(first.status, 200)
    const body = parseNote(await checkpointOf(await request(0, 3))).text
    const note = parseNote(new TextEncoder().encode(`${body}\n${first.body}`))
    assert.strictEqual(verifyNote(note, [signer.key]).timestamps.get(signer.key), 1000)

    const again = witness()
    assert.deepInclude(await again.addCheckpoint(await request(0, 5), 1001), { status: 409, body: "3\n" })
    assert.strictEqual((await again.addCheckpoint(await request(3, 5), 1001)).status, 200)
    assert.strictEqual((await again.addCheckpoint(await request(5, 5), 1002)).status, 200)
    assert.deepInclude(await again.addCheckpoint(await request(5, 5, "b"), 1003), { status: 409 })
    assert.strictEqual((await again.addCheckpoint(await request(5, 9, "b"), 1003)).status, 422)
    assert.strictEqual((await again.addCheckpoint(await request(9, 5), 1003)).status, 400)
    assert.strictEqual((await again.addCheckpoint(await request(5, 9), 900)).status, 200)
  })

  it("refuses what is malformed, unknown, or not signed by the log", async () => {
    const stranger = { key: makeVerifierKey(origin, 1, publicKey(seed(9))), seed: seed(9) }
    assert.strictEqual((await witness().addCheckpoint(encode("old x\n\n"), 1)).status, 400)
    assert.strictEqual((await witness().addCheckpoint(await request(0, 3, "a", stranger), 1)).status, 403)
    const other = new Witness({ directory, signer, logs: [makeVerifierKey("other.example.eu", 1, publicKey(seed(1)))] })
    assert.strictEqual((await other.addCheckpoint(await request(0, 3), 1)).status, 404)
    assert.deepStrictEqual(readdirSync(directory), [])
  })

  it("lets one of two requests for the same step win", async () => {
    const one = witness()
    await one.addCheckpoint(await request(0, 3), 1)
    const requests = [await request(3, 5), await request(3, 8)]
    const statuses = (await Promise.all(requests.map((body) => one.addCheckpoint(body, 2)))).map(({ status }) => status)
    assert.deepStrictEqual(statuses.sort(), [200, 409])
  })

  it("answers nothing when its memory is damaged, instead of beginning anew", async () => {
    await witness().addCheckpoint(await request(0, 3), 1)
    const [name = ""] = readdirSync(directory)
    truncateSync(join(directory, name), 40)
    const outcome = await witness().addCheckpoint(await request(0, 5), 2).then(({ status }) => String(status), String)
    assert.notMatch(outcome, /^\d+$/)
  })

  it("replays the public transcript", async () => {
    const path = new URL("../../../verify/test/vectors/witness/add-checkpoint-transcript.json", import.meta.url)
    const transcript = JSON.parse(readFileSync(path, "utf8")) as {
      readonly origin: string
      readonly logPublicKeyHex: string
      readonly steps: ReadonlyArray<{ readonly request: string; readonly status: number; readonly assertion: string }>
    }
    const key = makeVerifierKey(transcript.origin, 1, Hex.decode(transcript.logPublicKeyHex, 32))
    const litewitness = new Witness({ directory, signer, logs: [key] })
    const found: Array<number> = []
    for (const { request } of transcript.steps) {
      found.push((await litewitness.addCheckpoint(new TextEncoder().encode(request), 1)).status)
    }
    // The second step's signature is not canonical base64, which is refused before it is checked; the third is of an
    // unknown log, which the present specification answers with 404.
    const expected = transcript.steps.map(({ status }, index) => index === 1 ? 400 : index === 2 ? 404 : status)
    assert.deepStrictEqual(found, expected)
    process.stdout.write(`witness transcript: ${found.length} steps\n`)
  })
})

const checkpointOf = async (body: Uint8Array): Promise<Uint8Array> => {
  const blank = Buffer.from(body).indexOf("\n\n")
  return body.slice(blank + 2)
}
