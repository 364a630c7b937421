import { readFileSync } from "node:fs"
import { assert, describe, it } from "vitest"
import { MalformedError } from "../../src/Malformed.ts"
import { parseAddCheckpoint, printAddCheckpoint } from "../../src/witness/AddCheckpoint.ts"
import { assertStrict } from "../Mangle.ts"

const { steps } = JSON.parse(
  readFileSync(new URL("../vectors/witness/add-checkpoint-transcript.json", import.meta.url), "utf8")
) as { readonly steps: ReadonlyArray<{ readonly request: string; readonly status: number }> }
const bytesOf = (text: string) => new TextEncoder().encode(text)

describe("add-checkpoint", () => {
  it("reads and prints every request of the public transcript", () => {
    let read = 0
    for (const { request } of steps) {
      try {
        assert.deepStrictEqual(printAddCheckpoint(parseAddCheckpoint(bytesOf(request))), bytesOf(request))
        read += 1
      } catch (error) {
        // Two of them carry a signature that is not base64 in its canonical form.
        assert.instanceOf(error, MalformedError)
      }
    }
    assert.isAtLeast(read, steps.length - 2)
  })

  it("reads only what it prints", () => {
    const request = steps[5]?.request ?? ""
    assertStrict(bytesOf(request), (bytes) => printAddCheckpoint(parseAddCheckpoint(bytes)))
  }, 30_000)

  it("refuses what is too long", () => {
    const hash = `${btoa("x".repeat(32))}\n`
    const [first = ""] = steps
    const [, note = ""] = (typeof first === "string" ? first : first.request).split("\n\n")
    assert.throws(() => parseAddCheckpoint(bytesOf(`old 1\n${hash.repeat(64)}\n${note}\n\n`)), /64 hashes/)
    assert.throws(() => parseAddCheckpoint(new Uint8Array(70_000)), /70000 bytes/)
  })
})
