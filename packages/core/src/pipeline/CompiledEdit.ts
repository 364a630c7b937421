/**
 * Rules that change a field, made ready: what takes the place of a value's bytes.
 */
import { Redacted } from "effect"
import { createHmac } from "node:crypto"
import { truncateAddress } from "./IpAddress.ts"
import type { JsonValue } from "./JsonValue.ts"
import type { Rotation, Rule } from "./Pipeline.ts"
import { Unfit } from "./Unfit.ts"

/** The key of one period's pseudonyms; `period` is part of each. */
export interface PseudonymKey {
  readonly period: string
  readonly secret: Redacted.Redacted<Uint8Array>
}

/** The keys of the rotations that the pipeline uses. */
export type PseudonymKeys = ReadonlyMap<Rotation, PseudonymKey>

/** A rule that changes a field. */
export type EditRule = Exclude<Rule, { rule: "keep" | "drop" }>

/** What takes the place of a value, or undefined where the value stays. Throws {@link Unfit}. */
export type Replace = (value: JsonValue) => Buffer | undefined

/** Pseudonyms remembered of one window. */
const remembered = 10_000

const pseudonymise = ({ period, secret }: PseudonymKey): Replace => {
  const known = new Map<string, Buffer>()
  return (value) => {
    if (value.kind === "null") return undefined
    const text = value.text()
    if (text === "") return undefined
    const before = known.get(text)
    if (before !== undefined) return before
    const hex = createHmac("sha256", Redacted.value(secret)).update(text).digest("hex").slice(0, 32)
    const made = Buffer.from(JSON.stringify(`p1:${period}:${hex}`))
    if (known.size >= remembered) known.clear()
    if (text.length <= 256) known.set(text, made)
    return made
  }
}

const truncate = (ipv4: number, ipv6: number): Replace => (value) => {
  if (value.kind === "null") return undefined
  const text = value.text()
  if (text === "" && value.kind === "string") return undefined
  const cut = value.kind === "string" ? truncateAddress(text, ipv4, ipv6) : undefined
  if (cut === undefined) throw new Unfit("not-an-address")
  return cut === text ? undefined : Buffer.from(JSON.stringify(cut))
}

/** What a rule does with one value; `drop-field` removes it with its name. */
export const compileEdit = (rule: EditRule, keys: PseudonymKeys): Replace => {
  switch (rule.rule) {
    case "drop-field":
      return (value) => {
        value.checked()
        return undefined
      }
    case "redact": {
      const text = Buffer.from(JSON.stringify(rule.with ?? "[redacted]"))
      return (value) => {
        value.checked()
        return text
      }
    }
    case "pseudonymise": {
      const key = keys.get(rule.rotate)
      if (key === undefined) throw new Error(`no key for pseudonyms of a ${rule.rotate}`)
      return pseudonymise(key)
    }
    case "truncate-ip":
      return truncate(rule.ipv4 ?? 24, rule.ipv6 ?? 48)
  }
}
