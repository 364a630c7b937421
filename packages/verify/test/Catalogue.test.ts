import { readFileSync } from "node:fs"
import { assert, beforeAll, describe, it } from "vitest"
import { verify as verifySignature } from "../src/node/NativeEd25519.ts"
import { sha256 } from "../src/node/NativeSha256.ts"
import type { ArchiveBuilder } from "../src/tampering/ArchiveBuilder.ts"
import { catalogue, runCase } from "../src/tampering/Catalogue.ts"
import { encrypted, evidenceArchive, trust } from "../src/tampering/EvidenceArchive.ts"
import { disclosing } from "../src/tampering/ObjectCases.ts"
import { judge, shortfall } from "../src/tampering/TamperCase.ts"

const vector = JSON.parse(
  readFileSync(new URL("vectors/ledger/tamper-cases.json", import.meta.url), "utf8")
) as { readonly cases: ReadonlyArray<{ readonly id: string; readonly exit: number }> }

describe("the tamper catalogue", () => {
  let built: ArchiveBuilder
  const options = { ...trust(), verifySignature, sha256 }
  const evidence = { copy: () => built.copy(), trust: options }
  beforeAll(async () => {
    built = await evidenceArchive()
  }, 60_000)

  it("begins from an archive that passes all four questions", async () => {
    const outcome = await judge(built.files, options)
    assert.strictEqual(outcome.exit, 0, [...outcome.codes].join(", "))
    const disclosed = await disclosing(evidence, encrypted.dataKey).run()
    assert.strictEqual(disclosed.exit, 0, [...disclosed.codes].join(", "))
  })

  it("holds every case of the vector, with its exit code", () => {
    const own = new Map(catalogue.map(({ id, exit }) => [id, exit]))
    for (const { exit, id } of vector.cases) assert.strictEqual(own.get(id), exit, id)
    process.stdout.write(`tamper catalogue: ${vector.cases.length} cases of the vector, ${catalogue.length} in all\n`)
  })

  it.each(catalogue)("$id", async (item) => {
    const { attempts, shortfalls } = await runCase(item, evidence)
    assert.isAbove(attempts, 0)
    assert.deepStrictEqual(shortfalls, [])
  }, 60_000)

  it("sees a case that is not caught", () => {
    const [item] = catalogue
    if (item === undefined) throw new Error("the catalogue is empty")
    assert.match(shortfall(item, { codes: new Set(), exit: 0 }) ?? "", /expected OBJECT_HASH_MISMATCH, found nothing/)
    assert.match(shortfall(item, { codes: new Set(item.expect), exit: 2 }) ?? "", /expected exit 1, got 2/)
  })
})
