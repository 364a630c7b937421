/**
 * `fsck` on an archive with an erased window: no damage there, unless what was erased is back; and the loss of a window
 * that is not erased.
 */
import { assert, layer } from "@effect/vitest"
import { Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId } from "@rainlogs/core/domain/Identifier"
import { Fsck } from "@rainlogs/core/ledger/Fsck"
import { Erasures } from "@rainlogs/core/lifecycle/Erasures"
import { Catalog } from "@rainlogs/core/recovery/Catalog"
import { printNote, signNote } from "@rainlogs/verify/Note"
import { Effect, Layer, Option } from "effect"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as CustomerRecordsSql from "../../src/sql/CustomerRecordsSql.ts"
import { approver, customerWith, Live, verdict, World } from "./LifecycleWorld.ts"

const [dpo, ceo] = [approver("dpo", 1), approver("ceo", 2)]
const checked = Fsck.layer.pipe(
  Layer.provideMerge(Catalog.layer),
  Layer.provideMerge(CustomerRecordsSql.layer),
  Layer.provideMerge(Live)
)

layer(checked, { excludeTestServices: true, timeout: "120 seconds" })("fsck and an erased window", (it) => {
  it.effect("finds no damage in it until it is back, and the loss of another", () =>
    Effect.gen(function*() {
      const { clock, directory } = yield* World
      const { archived: [window, kept], ...customer } = yield* customerWith(2, [dpo, ceo])
      if (window === undefined || kept === undefined) return yield* Effect.die("no window")
      const ledger = { customer: CustomerId.make(customer.id), origin: Origin.make(customer.origin) }
      const now = clock.currentTimeMillisUnsafe()
      const { from, to } = window
      const erasures = yield* Erasures
      const request = { zone: null, from, to, reason: "gdpr-art17", method: "delete", basis: "case 12" } as const
      const draft = Option.getOrThrow(yield* erasures.draft(ledger, request, null, now))
      yield* erasures.announce(ledger, printNote(signNote(draft.document, [dpo, ceo])), now)
      const backup = readFileSync(join(directory, "archive", window.key))
      yield* erasures.execute(ledger, draft.id)
      yield* verdict(customer)
      yield* Catalog.use((catalog) => catalog.save)
      const found = Effect.map(Fsck.use((fsck) => fsck.run({ depth: "deep" })), ({ problems }) => problems)
      assert.deepStrictEqual(yield* found, [])
      // Somebody put a backup back.
      writeFileSync(join(directory, "archive", window.key), backup)
      assert.deepStrictEqual(
        (yield* found).map(({ code, key, severity }) => [code, severity, key]),
        [["ERASURE_NOT_EXECUTED", "damage", window.key]]
      )
      rmSync(join(directory, "archive", window.key))
      rmSync(join(directory, "archive", kept.key))
      assert.strictEqual((yield* found).length, 1)
    }))
})
