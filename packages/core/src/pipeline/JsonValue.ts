/**
 * The bytes of one JSON value inside a line, and what they say.
 */
import { isUtf8 } from "node:buffer"
import { Unfit } from "./Unfit.ts"

const quote = 0x22

/** Where a value stands. */
export type Place = "member" | "element"

/** A span of a line. Read at once: the line's buffer is used again. */
export class JsonValue {
  readonly bytes: Buffer
  readonly from: number
  readonly to: number
  /** The whole value of a member, or one element of an array there. */
  readonly place: Place

  constructor(bytes: Buffer, from: number, to: number, place: Place) {
    this.bytes = bytes
    this.from = from
    this.to = to
    this.place = place
  }

  /** What kind it is, by its first byte. */
  get kind(): "string" | "container" | "null" | "other" {
    switch (this.bytes[this.from]) {
      case quote:
        return "string"
      case 0x7b:
      case 0x5b:
        return "container"
      case 0x6e:
        return "null"
      default:
        return "other"
    }
  }

  /** Whether it is an array. */
  get isArray(): boolean {
    return this.bytes[this.from] === 0x5b
  }

  /** The text as it stands in the line. Throws {@link Unfit} unless it is one JSON value in UTF-8. */
  checked(): string {
    if (!isUtf8(this.bytes.subarray(this.from, this.to))) throw new Unfit("not-json")
    const raw = this.bytes.toString("utf8", this.from, this.to)
    parsed(raw)
    return raw
  }

  /** What a string says, or another value as it stands. Throws {@link Unfit} unless it is one JSON value in UTF-8. */
  text(): string {
    const raw = this.checked()
    if (this.kind !== "string") return raw
    return raw.includes("\\") ? String(parsed(raw)) : raw.slice(1, -1)
  }
}

const parsed = (raw: string): unknown => {
  try {
    return JSON.parse(raw)
  } catch {
    throw new Unfit("not-json")
  }
}

/** Whether the name of a member, without its quotes, is `name` (UTF-8); `escaped` says whether it has a backslash. */
export const isName = (bytes: Buffer, from: number, to: number, escaped: boolean, name: Buffer): boolean => {
  if (escaped) return parsed(bytes.toString("utf8", from - 1, to + 1)) === name.toString("utf8")
  if (to - from !== name.length) return false
  for (let i = 0; i < name.length; i++) if (bytes[from + i] !== name[i]) return false
  return true
}
