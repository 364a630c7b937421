import { assert, it } from "@effect/vitest"
import { encode } from "@rainlogs/verify/Ascii"
import * as Base64 from "@rainlogs/verify/Base64"
import * as Hex from "@rainlogs/verify/Hex"
import { emptyRoot } from "@rainlogs/verify/Merkle"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { defaultPolicy } from "../../src/domain/Policy.ts"
import { genesisText, heartbeatDocument, policyText } from "../../src/ledger/EventDocuments.ts"
import { Publisher } from "../../src/ledger/Publisher.ts"
import { Signer } from "../../src/ledger/Signer.ts"
import golden from "../vectors/ledger.json" with { type: "json" }
import { ledgerWorld } from "./LedgerWorld.ts"
import { ledger } from "./MemoryLedger.ts"

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes)

// The served vectors also carry a witness, which is not the signer's business.
const withoutWitness = (note: string): string =>
  note.split("\n").filter((line) => !line.includes("witness.example.org")).join("\n")

it.effect("replaying the golden entries gives the golden tile, bundle and checkpoints, byte for byte", () =>
  Effect.gen(function*() {
    const world = yield* ledgerWorld
    yield* world.run(
      Effect.gen(function*() {
        const publisher = yield* Publisher
        for (const { size, checkpoint, served } of golden.checkpoints) {
          // The vectors' clock states one time per size.
          const cosignature = served.split("\n").find((line) => line.includes("/clock "))?.split(" ")[2] ?? ""
          const seconds = new DataView(Base64.decode(cosignature).buffer).getBigUint64(4)
          yield* TestClock.setTime(Number(seconds) * 1000)
          if (size === 0) {
            const signed = yield* (yield* Signer).sign({ origin: ledger.origin, size: 0, root: emptyRoot, proof: [] })
            assert.strictEqual(text(signed.immutable), checkpoint)
            assert.strictEqual(text(signed.served), withoutWitness(served))
            continue
          }
          world.rows.push(ledger.origin, encode(golden.entries[size - 1]!.text))
          assert.deepStrictEqual(yield* publisher.publish(ledger), { outcome: "published", size })
          assert.strictEqual(text(world.file(`checkpoint.d/${String(size).padStart(20, "0")}`)), checkpoint)
          assert.strictEqual(text(world.file("checkpoint")), withoutWitness(served))
        }
      }),
      world.signerLocal
    )
    assert.strictEqual(Hex.encode(world.file("tile/0/000.p/8")!), golden.level0PartialTileHex)
    assert.strictEqual(Base64.encode(world.file("tile/entries/000.p/8")!), golden.entryBundleBase64)
  }))

it.effect("the documents of genesis, policy and heartbeat are the golden ones", () =>
  Effect.gen(function*() {
    const world = yield* ledgerWorld
    const documents = Object.values(golden.documentsBase64).map((document) => Base64.decode(document))
    const find = (start: string) => text(documents.find((bytes) => text(bytes).startsWith(start)))
    yield* world.run(
      Effect.gen(function*() {
        const signer = yield* Signer
        const signed = yield* signer.signDocument(
          ledger.origin,
          genesisText(ledger.origin, yield* signer.keys(ledger.origin))
        )
        assert.strictEqual(text(signed), find("rainlogs-genesis/v1"))
      }),
      world.signerLocal
    )
    const approvers = [golden.keys.dpo.vkey, golden.keys.ops.vkey]
    const policy = policyText(ledger.origin, { ...defaultPolicy, retentionDays: 180, approvers })
    assert.isTrue(find("rainlogs-policy/v1").startsWith(`${policy}\n`))
    for (const entry of golden.entries.slice(0, 4)) world.rows.push(ledger.origin, encode(entry.text))
    const heartbeat = heartbeatDocument(ledger.origin, 490896, world.rows.snapshot(ledger.origin))
    assert.strictEqual(text(heartbeat), find("rainlogs-heartbeat/v1"))
  }))
