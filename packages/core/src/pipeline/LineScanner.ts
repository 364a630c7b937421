/**
 * Finds the values of fields in one line of JSON (RFC 8259) without building it: names with escapes, names that are
 * there twice, arrays. It checks the structure it goes through; what it skips is checked by the Sealer.
 */
import type { FieldNode } from "./FieldTree.ts"
import { isName, type Place } from "./JsonValue.ts"
import { Unfit } from "./Unfit.ts"

const quote = 0x22
const comma = 0x2c
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d
const deepest = 100

/** Told of what is found, in the order of the line. */
export interface Finder {
  /** A value of field `slot`; the elements of an array come before the array. */
  readonly value: (slot: number, from: number, to: number, place: Place) => void
  /** Whether the members of field `slot` are to be removed. */
  readonly removes: (slot: number) => boolean
  /** A member, or several, with the comma that goes with them. */
  readonly remove: (from: number, to: number) => void
}

/** Scans lines of one buffer after the other. */
export class LineScanner {
  readonly #root: FieldNode
  readonly #finder: Finder
  #bytes: Buffer = Buffer.alloc(0)
  #end = 0
  // Whether the string that was passed last has a backslash.
  #escaped = false

  constructor(root: FieldNode, finder: Finder) {
    this.#root = root
    this.#finder = finder
  }

  /** Scans the line `from` to `to`, without its LF. Throws {@link Unfit} unless it is an object. */
  scan(bytes: Buffer, from: number, to: number): void {
    this.#bytes = bytes
    this.#end = to
    const start = this.#space(from)
    if (this.#at(start) !== openBrace) throw new Unfit("not-json")
    if (this.#space(this.#object(this.#root, start, 0)) !== to) throw new Unfit("not-json")
  }

  // Past the end there is a byte that no token begins with, so that every loop ends.
  #at(at: number): number {
    return at < this.#end ? this.#bytes[at]! : 0
  }

  #space(at: number): number {
    for (;;) {
      const byte = this.#at(at)
      if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d && byte !== 0x0a) return at
      at++
    }
  }

  #string(at: number): number {
    const bytes = this.#bytes
    const end = this.#end
    this.#escaped = false
    for (at++; at < end; at++) {
      const byte = bytes[at]
      if (byte === quote) return at + 1
      if (byte === backslash) {
        this.#escaped = true
        at++
      }
    }
    throw new Unfit("not-json")
  }

  #scalar(at: number): number {
    const start = at
    for (;; at++) {
      const byte = this.#at(at)
      if (byte <= 0x20 || byte === comma || byte === closeBrace || byte === closeBracket) break
    }
    if (at === start) throw new Unfit("not-json")
    return at
  }

  #container(at: number): number {
    const bytes = this.#bytes
    const end = this.#end
    let depth = 0
    while (at < end) {
      const byte = bytes[at]!
      if (byte === quote) {
        at = this.#string(at)
        continue
      }
      at++
      if (byte === openBrace || byte === openBracket) depth++
      else if ((byte === closeBrace || byte === closeBracket) && --depth === 0) return at
    }
    throw new Unfit("not-json")
  }

  #skip(at: number): number {
    const byte = this.#at(at)
    return byte === quote
      ? this.#string(at)
      : byte === openBrace || byte === openBracket
      ? this.#container(at)
      : this.#scalar(at)
  }

  #value(node: FieldNode, at: number, place: Place, depth: number): number {
    const byte = this.#at(at)
    const end = byte === openBracket
      ? this.#array(node, at, depth)
      : byte === openBrace && node.children.length > 0
      ? this.#object(node, at, depth)
      : this.#skip(at)
    if (node.slot !== null) this.#finder.value(node.slot, at, end, place)
    return end
  }

  #array(node: FieldNode, at: number, depth: number): number {
    if (depth > deepest) throw new Unfit("not-json")
    at = this.#space(at + 1)
    if (this.#at(at) === closeBracket) return at + 1
    for (;;) {
      at = this.#space(this.#value(node, at, "element", depth + 1))
      const byte = this.#at(at)
      if (byte === closeBracket) return at + 1
      if (byte !== comma) throw new Unfit("not-json")
      at = this.#space(at + 1)
    }
  }

  #childOf(node: FieldNode, from: number, to: number): FieldNode | undefined {
    const escaped = this.#escaped
    for (const child of node.children) if (isName(this.#bytes, from, to, escaped, child.name)) return child.node
    return undefined
  }

  #object(node: FieldNode, at: number, depth: number): number {
    at = this.#space(at + 1)
    if (this.#at(at) === closeBrace) return at + 1
    // The comma before this member, or -1; where members to be removed begin that have nothing kept before them, or -1.
    let before = -1
    let pending = -1
    let kept = false
    for (;;) {
      if (this.#at(at) !== quote) throw new Unfit("not-json")
      if (pending !== -1) this.#finder.remove(pending, at)
      pending = -1
      const name = at
      const nameEnd = this.#string(at)
      at = this.#space(nameEnd)
      if (this.#at(at) !== 0x3a) throw new Unfit("not-json")
      at = this.#space(at + 1)
      const child = this.#childOf(node, name + 1, nameEnd - 1)
      const end = child === undefined ? this.#skip(at) : this.#value(child, at, "member", depth + 1)
      if (child === undefined || child.slot === null || !this.#finder.removes(child.slot)) kept = true
      else if (kept) this.#finder.remove(before, end)
      else pending = name
      at = this.#space(end)
      const byte = this.#at(at)
      if (byte === closeBrace) {
        if (pending !== -1) this.#finder.remove(pending, end)
        return at + 1
      }
      if (byte !== comma) throw new Unfit("not-json")
      before = at
      at = this.#space(at + 1)
    }
  }
}
