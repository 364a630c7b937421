/**
 * Damages a text in every single-byte way, for parsers that must never read a damaged text as the same value.
 */
import { assert } from "vitest"
import * as Bytes from "../src/Bytes.ts"
import { MalformedError } from "../src/Malformed.ts"

/** Every byte with each of its bits flipped, removed, doubled, and with a space, CR and LF put before it. */
export function* mangle(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at <= bytes.length; at++) {
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)]
    for (const inserted of [0x20, 0x0d, 0x0a, 0x30]) yield Bytes.concat(before, Uint8Array.of(inserted), after)
    if (at === bytes.length) break
    for (let bit = 0; bit < 8; bit++) {
      yield Bytes.concat(before, Uint8Array.of((bytes[at] ?? 0) ^ (1 << bit)), bytes.subarray(at + 1))
    }
    yield Bytes.concat(before, bytes.subarray(at + 1))
    yield Bytes.concat(before, bytes.subarray(at, at + 1), after)
  }
}

/**
 * The parser must read the sample back byte for byte; every damaged form must be refused with {@link MalformedError} or
 * read as another value, one that prints as exactly the damaged bytes.
 */
export const assertStrict = (sample: Uint8Array, reprint: (bytes: Uint8Array) => Uint8Array): void => {
  assert.isTrue(Bytes.equal(reprint(sample), sample), "the sample does not print as it was read")
  let refused = 0
  for (const damaged of mangle(sample)) {
    if (Bytes.equal(damaged, sample)) continue
    let printed: Uint8Array
    try {
      printed = reprint(damaged)
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      refused += 1
      continue
    }
    if (!Bytes.equal(printed, damaged)) {
      assert.fail(`read leniently:\n${new TextDecoder().decode(damaged)}\nas\n${new TextDecoder().decode(printed)}`)
    }
  }
  assert.isAbove(refused, sample.length, "damage breaks the format at every byte on average")
}
