import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import { checkpointArchiveKey } from "@rainlogs/verify/Layout"
import { parseNote, verifyNote } from "@rainlogs/verify/Note"
import { ArchiveBuilder, log, origin, signer } from "@rainlogs/verify/tampering/ArchiveBuilder"
import { rootOf } from "@rainlogs/verify/tampering/EvidenceArchive"
import { Effect } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as WitnessAnchor from "../../src/anchor/WitnessAnchor.ts"
import * as WitnessClient from "../../src/anchor/WitnessClient.ts"
import { Witness } from "../../src/witness/Witness.ts"
import { serveWitness } from "../../src/witness/WitnessServer.ts"
import { memoryObjects } from "../ledger/MemoryObjects.ts"

const witness = signer("witness.example.org/w1", 4, 5)
const grown = (entries: number): ArchiveBuilder => {
  const builder = new ArchiveBuilder().begin()
  for (let index = 0; index < entries; index++) {
    builder.event("heartbeat", new TextEncoder().encode(`beat ${index}\n`), 1_767_225_600_000 + index)
  }
  return builder.publish()
}
const requestOf = (builder: ArchiveBuilder) => {
  const size = builder.entries.length
  const checkpoint = builder.files.get(checkpointArchiveKey(origin, size)) ?? new Uint8Array(0)
  return { origin, size, root: rootOf(builder.entries), checkpoint }
}

/** A real witness on a real socket, and an anchor that asks it with what the builder has stored. */
const world = Effect.gen(function*() {
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "rainlogs-witness-client-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const server = yield* Effect.acquireRelease(
    Effect.promise(() =>
      serveWitness(
        new Witness({ directory, signer: witness, logs: [log.key] }),
        { host: "127.0.0.1", port: 0 },
        () => {}
      )
    ),
    (server) => Effect.sync(() => server.close())
  )
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/`
  const anchor = Effect.fnUntraced(function*(builder: ArchiveBuilder, key = witness.key, at = url) {
    const store = memoryObjects(builder.files, (_, effect) => effect)
    const cosign = yield* WitnessClient.make({ id: "witness-w1", url: at, store })
    return WitnessAnchor.make({ id: "witness-w1", key, stampsPerMinute: 60, cosign })
  })
  return { anchor }
})

describe("asking a witness", () => {
  it.live("proves from what it has seen, whatever that is, and gets a cosignature that verifies", () =>
    Effect.gen(function*() {
      const { anchor } = yield* world
      for (const entries of [3, 300, 300, 600]) {
        const builder = grown(entries)
        const request = requestOf(builder)
        // Each time a client that knows nothing, as after a restart.
        const { bytes, time } = yield* (yield* anchor(builder)).stamp(request)
        const { text } = parseNote(request.checkpoint)
        const note = parseNote(Buffer.concat([Buffer.from(`${text}\n`), bytes]))
        assert.strictEqual(verifyNote(note, [witness.key]).verified.length, 1)
        assert.isAbove(time, 1_700_000_000_000)
      }
    }).pipe(Effect.scoped, Effect.provide(NodeHttpClient.layerNodeHttp)))

  it.live("finds out that the archive was set back, or forked", () =>
    Effect.gen(function*() {
      const { anchor } = yield* world
      const large = grown(600)
      yield* (yield* anchor(large)).stamp(requestOf(large))
      const small = grown(300)
      const back = yield* Effect.flip((yield* anchor(small)).stamp(requestOf(small)))
      assert.deepStrictEqual([back.category, /set back/.test(back.detail)], ["equivocation", true])
      const fork = new ArchiveBuilder().begin(1)
      for (let index = 0; index < 700; index++) fork.event("heartbeat", Buffer.from(`other ${index}\n`), index + 2)
      const forked = yield* Effect.flip((yield* anchor(fork.publish())).stamp(requestOf(fork)))
      assert.strictEqual(forked.category, "rejected")
    }).pipe(Effect.scoped, Effect.provide(NodeHttpClient.layerNodeHttp)), 30_000)

  it.live("keeps nothing of a witness with another key, one that talks nonsense, or none", () =>
    Effect.gen(function*() {
      const { anchor } = yield* world
      const builder = grown(3)
      const stranger = yield* anchor(builder, signer("witness.example.org/w2", 4, 6).key)
      assert.strictEqual((yield* Effect.flip(stranger.stamp(requestOf(builder)))).category, "untrusted")
      const server = yield* Effect.acquireRelease(
        Effect.promise(() =>
          new Promise<ReturnType<typeof createServer>>((resolve) => {
            const made = createServer((_, response) => response.writeHead(409).end("many\n"))
            made.listen(0, "127.0.0.1", () => resolve(made))
          })
        ),
        (made) => Effect.sync(() => made.close())
      )
      const address = server.address()
      const nonsense = yield* anchor(
        builder,
        witness.key,
        `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`
      )
      assert.strictEqual((yield* Effect.flip(nonsense.stamp(requestOf(builder)))).category, "rejected")
      const gone = yield* anchor(builder, witness.key, "http://127.0.0.1:1/")
      assert.strictEqual((yield* Effect.flip(gone.stamp(requestOf(builder)))).category, "transient")
    }).pipe(Effect.scoped, Effect.provide(NodeHttpClient.layerNodeHttp)))
})
