/**
 * Runs rules on lines, and makes odd lines with what is to become of them.
 */
import { CompiledPipeline } from "@rainlogs/core/pipeline/CompiledPipeline"
import { Pipeline } from "@rainlogs/core/pipeline/Pipeline"
import { byteTransform } from "@rainlogs/core/pipeline/PipelineRun"
import { periodOf } from "@rainlogs/core/pipeline/PseudonymKeys"
import { Redacted, Schema } from "effect"

const decode = Schema.decodeUnknownSync(Pipeline, { errors: "all", onExcessProperty: "error" })

/** Keys of 1 January 2026 and the days after; every byte of a key is the number of its day. */
export const keysOf = (day: number) =>
  new Map((["day", "never"] as const).map((rotation) => [rotation, {
    period: periodOf(rotation, Date.UTC(2026, 0, day)),
    secret: Redacted.make(new Uint8Array(32).fill(day))
  }]))

/** What the rules make of the lines, which arrive in pieces of `piece` bytes. */
export const run = (
  rules: ReadonlyArray<object>,
  lines: string | Uint8Array,
  more: object = {},
  day = 1,
  piece = 1_000_000
): string => {
  const { end, push } = byteTransform(
    new CompiledPipeline(decode({ format: "rainlogs-pipeline/v1", rules, ...more }), keysOf(day))
  )
  const bytes = Buffer.from(lines)
  const out: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length; at += piece) out.push(...push(bytes.subarray(at, at + piece)))
  out.push(...end())
  return Buffer.concat(out).toString()
}

/** A generator of numbers below `most`, always the same for a seed (mulberry32). */
const generator = (seed: number) => (most: number): number => {
  seed = (seed + 0x6d2b79f5) | 0
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) % most
}

const names = ["s", "t", "st", "S", "", "ü", "a\\\"b", "\\u0073x", "s.t", "}", "[,", "\\\\"]
const scalars = [
  "1",
  "-0.0e+10",
  "1767225600000000123",
  "true",
  "null",
  "\"\"",
  "\"}],{\"",
  "\"\\\\\"",
  "\"\\\"s\\\":\"",
  "\"é😀\""
]

/** An odd line, and the same with every value of `s.t` replaced by "x". */
export const sample = (seed: number): { readonly line: string; readonly expected: string } => {
  const draw = generator(seed)
  const pick = <A>(items: ReadonlyArray<A>): A => items[draw(items.length)]!
  const space = () => pick(["", "", "", " ", "\t", "  "])
  // Where in `s.t` a value stands: outside, in an `s`, or nowhere of interest.
  type Where = "root" | "s" | "else"
  const value = (where: Where, depth: number): [string, string] => {
    const kind = depth > 4 ? 0 : draw(4)
    if (kind === 2) return list("[", "]", () => value(where, depth + 1))
    if (kind === 3) return object(where, depth + 1)
    const text = pick(scalars)
    return [text, text]
  }
  const list = (open: string, close: string, item: () => [string, string]): [string, string] => {
    let [line, expected] = [open, open]
    const add = (a: string, b = a) => {
      line += a
      expected += b
    }
    add(space())
    for (let i = 0, count = draw(5); i < count; i++) {
      if (i > 0) add(`,${space()}`)
      add(...item())
      add(space())
    }
    add(close)
    return [line, expected]
  }
  const object = (where: Where, depth: number): [string, string] =>
    list("{", "}", () => {
      const plain = pick([...names, "s", "s", "t", "t"])
      const name = plain === "s" && draw(3) === 0 ? "\\u0073" : plain === "t" && draw(3) === 0 ? "\\u0074" : plain
      const between = `${space()}:${space()}`
      const inner: Where = where === "root" && plain === "s" ? "s" : "else"
      const [line, expected] = value(inner, depth)
      const hidden = where === "s" && plain === "t"
      return [`"${name}"${between}${line}`, `"${name}"${between}${hidden ? "\"x\"" : expected}`]
    })
  const [line, expected] = object("root", 0)
  return { line: `${line}\n`, expected: `${expected}\n` }
}
