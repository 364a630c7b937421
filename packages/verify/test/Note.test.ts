import { assert, describe, it } from "vitest"
import { parseCheckpoint } from "../src/Checkpoint.ts"
import * as Ed25519 from "../src/Ed25519.ts"
import * as Hex from "../src/Hex.ts"
import { MalformedError } from "../src/Malformed.ts"
import { parseNote, printNote, signNote, verifyNote } from "../src/Note.ts"
import { makeVerifierKey, parseVerifierKey } from "../src/VerifierKey.ts"
import { checkpointBodies, golden, noteVectors } from "./Vectors.ts"

const utf8 = (text: string) => new TextEncoder().encode(text)

describe("signed notes", () => {
  it.each(noteVectors.cases.map((vector) => [vector.desc, vector] as const))("%s", (_, vector) => {
    const keys = vector.vkeys.map(parseVerifierKey)
    const bytes = vector.noteHex === undefined ? utf8(vector.note ?? "") : Hex.decode(vector.noteHex)
    const check = () => verifyNote(parseNote(bytes), keys)
    if (vector.goError === "malformed note") {
      assert.throws(check, MalformedError)
      return
    }
    const { verified, bad } = check()
    assert.strictEqual(verified.length > 0 && bad.length === 0, vector.wantOk)
    if (vector.wantOk) assert.deepStrictEqual(verified.map(({ name }) => name), vector.wantVerified)
  })

  it("refuses unknown and damaged verifier keys", () => {
    for (const text of noteVectors.badVkeys) assert.throws(() => parseVerifierKey(text), MalformedError)
    const [vkey = ""] = noteVectors.cases[0]?.vkeys ?? []
    assert.strictEqual(parseVerifierKey(vkey).name, "PeterNeumann")
    for (let start = 0; start < vkey.length; start++) {
      for (let end = start; end <= vkey.length; end++) {
        if (end - start < vkey.length) assert.throws(() => parseVerifierKey(vkey.slice(start, end)), MalformedError)
      }
      const next = String.fromCharCode(vkey.charCodeAt(start) + 1)
      assert.throws(() => parseVerifierKey(vkey.slice(0, start) + next + vkey.slice(start + 1)), MalformedError)
    }
  })

  it("signs the sigsum checkpoint byte for byte", () => {
    const { privateSeedHex, note } = noteVectors.sigsumCheckpoint
    const seed = Hex.decode(privateSeedHex, 32)
    const parsed = parseNote(utf8(note))
    const key = makeVerifierKey(parsed.signatures[0]?.name ?? "", 1, Ed25519.publicKey(seed))
    assert.strictEqual(new TextDecoder().decode(printNote(signNote(parsed.text, [{ key, seed }]))), note)
  })

  it("ends the text at the last blank line", () => {
    const seed = new Uint8Array(32).fill(3)
    const key = makeVerifierKey("test", 1, Ed25519.publicKey(seed))
    const note = signNote("first\n\nsecond\n", [{ key, seed }])
    const read = parseNote(printNote(note))
    assert.strictEqual(read.text, "first\n\nsecond\n")
    assert.deepStrictEqual(verifyNote(read, [key]).verified, [key])
  })

  it("rejects a key with one valid and one corrupt line, and a cosignature whose time was changed", () => {
    const log = parseVerifierKey(golden.keys.log.vkey)
    const clock = parseVerifierKey(golden.keys.clock.vkey)
    const note = parseNote(utf8(golden.checkpoints[8]?.served ?? ""))
    assert.deepStrictEqual(verifyNote(note, [log, clock]).verified, [log, clock])
    const change = (name: string, at: number) =>
      note.signatures.map((line) =>
        line.name === name ? { ...line, signature: line.signature.map((byte, i) => i === at ? byte ^ 1 : byte) } : line
      )
    const doubled = verifyNote({ text: note.text, signatures: [...note.signatures, ...change(log.name, 3)] }, [log])
    assert.deepStrictEqual([doubled.verified, doubled.bad], [[], [log]])
    const retimed = verifyNote({ text: note.text, signatures: change(clock.name, 7) }, [log, clock])
    assert.deepStrictEqual([retimed.verified, retimed.bad, retimed.timestamps.size], [[log], [clock], 0])
  })

  it("refuses to sign with a cosignature key", () => {
    const clock = parseVerifierKey(golden.keys.clock.vkey)
    assert.throws(() => signNote("text\n", [{ key: clock, seed: new Uint8Array(32) }]), MalformedError)
  })
})

describe("checkpoint bodies", () => {
  // The vectors' library is laxer: it takes roots of any length and further lines, which the ledger format forbids.
  it.each(checkpointBodies.cases.map(({ desc, body }) => [desc, body] as const))("refuses: %s", (_, body) => {
    assert.throws(() => parseCheckpoint(body), MalformedError)
  })

  it("reads the largest safe size exactly and refuses the next", () => {
    const root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    assert.strictEqual(parseCheckpoint(`Log\n9007199254740991\n${root}\n`).size, 9_007_199_254_740_991)
    assert.throws(() => parseCheckpoint(`Log\n9007199254740993\n${root}\n`), MalformedError)
    assert.throws(() => parseCheckpoint(`Log\n01\n${root}\n`), MalformedError)
    assert.throws(() => parseCheckpoint(`Log\n+1\n${root}\n`), MalformedError)
    assert.throws(() => parseCheckpoint(`Log\n1\n${root}\nextension\n`), MalformedError)
  })
})
