/**
 * Conditions, made ready to be asked of the values that were found in a line.
 */
import { RE2JS } from "re2js"
import type { FieldTree } from "./FieldTree.ts"
import { parseBlock } from "./IpAddress.ts"
import type { JsonValue } from "./JsonValue.ts"
import type { Condition } from "./Pipeline.ts"

/** The values of every field, by slot. */
export type Values = ReadonlyArray<ReadonlyArray<JsonValue>>

/** Whether a line fits. */
export type Test = (values: Values) => boolean

const isValue = (expected: string | number | boolean | null) => (value: JsonValue): boolean => {
  if (typeof expected === "string") return value.kind === "string" && value.text() === expected
  if (typeof expected === "number") return value.kind === "other" && Number(value.text()) === expected
  return value.text() === String(expected) && value.kind !== "string"
}

const ofString = (fits: (text: string) => boolean) => (value: JsonValue): boolean =>
  value.kind === "string" && fits(value.text())

const testOf = (condition: Exclude<Condition, { all: unknown } | { any: unknown } | { not: unknown }>) => {
  if ("equals" in condition) return isValue(condition.equals)
  if ("in" in condition) {
    const tests = condition.in.map(isValue)
    const texts = new Set(condition.in.filter((value) => typeof value === "string"))
    const others = tests.filter((_, i) => typeof condition.in[i] !== "string")
    return (value: JsonValue) => value.kind === "string" ? texts.has(value.text()) : others.some((test) => test(value))
  }
  if ("prefix" in condition) return ofString((text) => text.startsWith(condition.prefix))
  if ("suffix" in condition) return ofString((text) => text.endsWith(condition.suffix))
  if ("matches" in condition) {
    const pattern = RE2JS.compile(condition.matches)
    return ofString((text) => pattern.matcher(text).find())
  }
  if ("cidr" in condition) {
    const blocks = condition.cidr.flatMap((text) => parseBlock(text) ?? [])
    return ofString((text) => blocks.some((contains) => contains(text)))
  }
  return () => true
}

/** Makes a condition ready; its fields are added to the tree. */
export const compileCondition = (condition: Condition, fields: FieldTree): Test => {
  if ("all" in condition) {
    const tests = condition.all.map((one) => compileCondition(one, fields))
    return (values) => tests.every((test) => test(values))
  }
  if ("any" in condition) {
    const tests = condition.any.map((one) => compileCondition(one, fields))
    return (values) => tests.some((test) => test(values))
  }
  if ("not" in condition) {
    const test = compileCondition(condition.not, fields)
    return (values) => !test(values)
  }
  const slot = fields.slotOf(condition.field)
  const test = testOf(condition)
  const expected = "exists" in condition ? condition.exists : true
  return (values) => (values[slot] ?? []).some(test) === expected
}
