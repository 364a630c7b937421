import { assert, describe, it } from "vitest"
import { makeClients } from "../src/Clients.ts"
import { makeDevices } from "../src/Devices.ts"
import { completeFields } from "../src/HttpRequestFields.ts"
import { type Catalogue, compilePrinter } from "../src/LinePrinter.ts"
import { makeOutcomes } from "../src/Outcomes.ts"
import { emptyDraft, type RecordDraft } from "../src/RecordDraft.ts"
import { makeResources } from "../src/Resources.ts"

const catalogue: Catalogue = {
  clients: makeClients(1),
  devices: makeDevices(2),
  resources: makeResources(3, "example.com"),
  outcomes: makeOutcomes()
}

const draft = (oddity: RecordDraft["oddity"]): RecordDraft => ({
  ...emptyDraft(),
  oddity,
  rayId: "7a1f7ad4df2f870a",
  startSecond: 1_506_702_504,
  startNanos: 433_000_200,
  endSecond: 1_506_702_504,
  endNanos: 1,
  client: 77,
  device: 5,
  resource: 300,
  outcome: 9
})

describe("compilePrinter", () => {
  it("prints the same bytes by the fast path and by the general path", () => {
    // Without EdgeColoCode in the selection, the general path has nothing to leave out.
    const fields = completeFields.filter((name) => name !== "EdgeColoCode")
    for (
      const selection of [fields, ["RayID"], ["CacheLockWaitedMs"], ["ClientIP", "Cookies"], [
        "Subrequests",
        "EdgeStartTimestamp"
      ]]
    ) {
      const print = compilePrinter(catalogue, selection, "unixnano")
      assert.strictEqual(print(draft("without-colo")), print(draft("none")))
    }
    const spaced = compilePrinter(catalogue, fields, "unixnano")(draft("spaced"))
    const plain = compilePrinter(catalogue, fields, "unixnano")(draft("none"))
    assert.notStrictEqual(spaced, plain)
    assert.strictEqual(JSON.stringify(JSON.parse(spaced)), JSON.stringify(JSON.parse(plain)))
  })

  it("prints nanoseconds as digits that a 64-bit float cannot hold", () => {
    const line = compilePrinter(catalogue, ["EdgeEndTimestamp", "EdgeStartTimestamp"], "unixnano")(draft("none"))
    assert.strictEqual(line, "{\"EdgeStartTimestamp\":1506702504433000200,\"EdgeEndTimestamp\":1506702504000000001}\n")
  })

  it("ignores the order and repetition of the selection", () => {
    const one = compilePrinter(catalogue, ["RayID", "ClientIP", "EdgeColoCode"], "unix")(draft("none"))
    assert.strictEqual(
      compilePrinter(catalogue, ["EdgeColoCode", "RayID", "ClientIP", "RayID"], "unix")(draft("none")),
      one
    )
    assert.deepStrictEqual(Object.keys(JSON.parse(one)).sort(), ["ClientIP", "EdgeColoCode", "RayID"])
  })
})
