/**
 * The rules of a pipeline, `rainlogs-pipeline/v1`: which lines of a source are archived, and what of them is removed
 * before they are. Without a pipeline every line is archived byte for byte.
 */
import { sha256 } from "@rainlogs/verify/Hash"
import { encode } from "@rainlogs/verify/Hex"
import { Schema } from "effect"
import { RE2JS } from "re2js"
import { Sha256Hex } from "../domain/Identifier.ts"
import { FieldPath, namesOf } from "./FieldPath.ts"
import { parseBlock } from "./IpAddress.ts"

const Text = Schema.String.check(Schema.isMaxLength(4096))

/** What a field is compared with; numbers that JavaScript cannot hold exactly are refused. */
const Value = Schema.Union([
  Text,
  Schema.Finite.check(Schema.makeFilter((value: number) => !Number.isInteger(value) || Number.isSafeInteger(value), {
    expected: "a number below 2^53"
  })),
  Schema.Boolean,
  Schema.Null
])

const compiles = (pattern: string): boolean => {
  try {
    RE2JS.compile(pattern)
    return true
  } catch {
    return false
  }
}

const Pattern = Schema.String.check(
  Schema.isMinLength(1),
  Schema.isMaxLength(1024),
  Schema.makeFilter(compiles, { expected: "a regular expression of RE2 (no look-around, no back-references)" })
)

const Block = Schema.String.check(
  Schema.makeFilter((text: string) => parseBlock(text) !== undefined, { expected: "an address block, 192.0.2.0/24" })
)

const many = <S extends Schema.Constraint>(item: S) =>
  Schema.Array(item).check(Schema.isMinLength(1), Schema.isMaxLength(1000))

/** Whether a line is meant. A field in an array, or there twice, fits when one of its values does. */
export type Condition =
  | { readonly field: string; readonly equals: string | number | boolean | null }
  | { readonly field: string; readonly in: ReadonlyArray<string | number | boolean | null> }
  | { readonly field: string; readonly prefix: string }
  | { readonly field: string; readonly suffix: string }
  | { readonly field: string; readonly matches: string }
  | { readonly field: string; readonly cidr: ReadonlyArray<string> }
  | { readonly field: string; readonly exists: boolean }
  | { readonly all: ReadonlyArray<Condition> }
  | { readonly any: ReadonlyArray<Condition> }
  | { readonly not: Condition }

const tests = [
  Schema.Struct({ field: FieldPath, equals: Value }),
  Schema.Struct({ field: FieldPath, in: many(Value) }),
  Schema.Struct({ field: FieldPath, prefix: Text }),
  Schema.Struct({ field: FieldPath, suffix: Text }),
  Schema.Struct({ field: FieldPath, matches: Pattern }),
  Schema.Struct({ field: FieldPath, cidr: many(Block) }),
  Schema.Struct({ field: FieldPath, exists: Schema.Boolean })
] as const

/** How deep `all`, `any` and `not` may stand in each other: a deeper document could exhaust the stack of its reader. */
const deepest = 6

const conditionOf = (depth: number): Schema.Codec<Condition> => {
  const annotation = { identifier: `PipelineCondition${depth === 1 ? "" : depth}` }
  if (depth === deepest) return Schema.Union(tests).annotate(annotation)
  const inner = conditionOf(depth + 1)
  return Schema.Union([
    ...tests,
    Schema.Struct({ all: many(inner) }),
    Schema.Struct({ any: many(inner) }),
    Schema.Struct({ not: inner })
  ]).annotate(annotation)
}

/** Conditions on one field, and `all`, `any` and `not` of conditions. */
export const Condition: Schema.Codec<Condition> = conditionOf(1)

/** How long values keep one pseudonym: a day, an ISO 8601 week or a month (UTC), or for ever. */
export const Rotation = Schema.Literals(["day", "week", "month", "never"])
export type Rotation = typeof Rotation.Type

const edited = {
  field: FieldPath,
  missing: Schema.optionalKey(Schema.Literals(["error", "ignore"])).annotate({
    description: "What a line is that does not have the field: an error, as when left out, or left as it is."
  })
}

const bits = (most: number) => Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: most })))

/** One rule. `keep` drops the lines that do not fit, `drop` those that do; the others change a field. */
export const Rule = Schema.Union([
  Schema.Struct({ rule: Schema.Literal("keep"), when: Condition }),
  Schema.Struct({ rule: Schema.Literal("drop"), when: Condition }),
  Schema.Struct({ rule: Schema.Literal("drop-field"), ...edited }),
  Schema.Struct({ rule: Schema.Literal("redact"), ...edited, with: Schema.optionalKey(Text) }),
  Schema.Struct({ rule: Schema.Literal("pseudonymise"), ...edited, rotate: Rotation }),
  Schema.Struct({ rule: Schema.Literal("truncate-ip"), ...edited, ipv4: bits(32), ipv6: bits(128) })
]).annotate({ identifier: "PipelineRule" })
export type Rule = typeof Rule.Type

/** What happens to a line that a rule cannot be applied to. */
export const OnError = Schema.Literals(["fail", "drop", "keep"])
export type OnError = typeof OnError.Type

const overlap = (rules: ReadonlyArray<Rule>): string | undefined => {
  const fields = rules.flatMap((rule) => rule.rule === "keep" || rule.rule === "drop" ? [] : [rule.field])
  const paths = fields.map((field) => namesOf(field) ?? [])
  const found = fields.find((_, i) =>
    paths.some((other, j) => i !== j && other.every((name, k) => paths[i]?.[k] === name))
  )
  return found === undefined ? undefined : `two rules change ${found}, or a field and a part of it: name each once`
}

/** A pipeline as it is written. */
export const Pipeline = Schema.Struct({
  format: Schema.Literal("rainlogs-pipeline/v1"),
  onError: Schema.optionalKey(OnError).annotate({
    description: "A line a rule cannot be applied to: `fail` (when left out) archives nothing of its window, `drop` " +
      "leaves the line out, `keep` archives it as it came, with everything in it."
  }),
  rules: Schema.Array(Rule).check(Schema.isMinLength(1), Schema.isMaxLength(64), Schema.makeFilter(overlap))
}).annotate({ identifier: "Pipeline" })
export type Pipeline = typeof Pipeline.Type

const canonical = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(canonical)
    : typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([k, v]) => [k, canonical(v)]))
    : value

/** JSON with sorted names and without spaces; what is not ASCII is escaped. */
export const canonicalJson = (value: unknown): string =>
  JSON.stringify(canonical(value)).replace(
    /[\u007f-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

/** The SHA-256 of a pipeline's canonical JSON. */
export const hashOf = (pipeline: Pipeline): Sha256Hex =>
  Sha256Hex.make(encode(sha256(new TextEncoder().encode(canonicalJson(pipeline)))))

/** Reads a pipeline strictly: unknown names are refused, and every issue is reported with its path. */
export const decodePipeline = Schema.decodeUnknownEffect(Pipeline, { errors: "all", onExcessProperty: "error" })
