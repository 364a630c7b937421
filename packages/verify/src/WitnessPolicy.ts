/**
 * C2SP tlog-policy: which logs are trusted, which witnesses there are, and how many of them must have cosigned. Lines of
 * `log <vkey> [url]`, `witness <name> <vkey> [url]`, `group <name> any|all|<k> <member>…` and one `quorum <name>|none`;
 * `#` begins a comment line.
 */
import { MalformedError } from "./Malformed.ts"
import { parseVerifierKey, type VerifierKey } from "./VerifierKey.ts"

const format = "witness policy"
const maxBytes = 1_000_000

/** A witness, or a group of which `threshold` members must be satisfied. */
export type PolicyMember =
  | { readonly kind: "witness"; readonly key: VerifierKey; readonly url: string | null }
  | { readonly kind: "group"; readonly threshold: number; readonly members: ReadonlyArray<string> }

/** A parsed policy. Members only name members defined before them, so there is no cycle. */
export interface WitnessPolicy {
  /** Type 1 keys of the logs. */
  readonly logs: ReadonlyArray<VerifierKey>
  readonly members: ReadonlyMap<string, PolicyMember>
  /** Name of the member that must be satisfied; null when no witness is needed. */
  readonly quorum: string | null
}

/** The keys of all witnesses of a policy. */
export const witnessKeys = (policy: WitnessPolicy): Array<VerifierKey> =>
  [...policy.members.values()].flatMap((member) => member.kind === "witness" ? [member.key] : [])

const thresholdOf = (word: string, count: number, line: number): number => {
  if (word === "any") return 1
  if (word === "all") return count
  const threshold = /^[1-9][0-9]{0,3}$/.test(word) ? Number(word) : 0
  if (threshold < 1 || threshold > count) {
    throw new MalformedError(format, `"${word}" is not any, all or a number up to ${count}`, line)
  }
  return threshold
}

/** Reads a policy of at most 1 000 000 characters; throws {@link MalformedError} with the line. */
export const parseWitnessPolicy = (text: string): WitnessPolicy => {
  if (text.length > maxBytes) throw new MalformedError(format, `${text.length} characters, the limit is ${maxBytes}`)
  const logs: Array<VerifierKey> = []
  const members = new Map<string, PolicyMember>()
  let quorum: string | null | undefined
  const key = (word: string, type: 1 | 4, line: number): VerifierKey => {
    const parsed = parseVerifierKey(word)
    if (parsed.type !== type) throw new MalformedError(format, `a key of type ${parsed.type}, expected ${type}`, line)
    return parsed
  }
  const define = (name: string, member: PolicyMember, line: number): void => {
    if (name === "none" || members.has(name)) throw new MalformedError(format, `"${name}" cannot be defined here`, line)
    members.set(name, member)
  }
  for (const [index, content] of text.split("\n").entries()) {
    const line = index + 1
    const [keyword, ...words] = content.replaceAll("\t", " ").split(" ").filter((word) => word !== "")
    if (keyword === undefined || keyword.startsWith("#")) continue
    const [first, second, third, ...rest] = words
    if (keyword === "log" && first !== undefined && third === undefined) {
      logs.push(key(first, 1, line))
    } else if (keyword === "witness" && first !== undefined && second !== undefined && rest.length === 0) {
      define(first, { kind: "witness", key: key(second, 4, line), url: third ?? null }, line)
    } else if (keyword === "group" && first !== undefined && second !== undefined && third !== undefined) {
      const names = [third, ...rest]
      const unknown = names.find((name, at) => !members.has(name) || names.indexOf(name) !== at)
      if (unknown !== undefined) throw new MalformedError(format, `"${unknown}" is not defined before, or twice`, line)
      define(first, { kind: "group", threshold: thresholdOf(second, names.length, line), members: names }, line)
    } else if (keyword === "quorum" && first !== undefined && second === undefined && quorum === undefined) {
      if (first !== "none" && !members.has(first)) throw new MalformedError(format, `"${first}" is not defined`, line)
      quorum = first === "none" ? null : first
    } else {
      throw new MalformedError(format, `"${content}" is no line of a policy`, line)
    }
  }
  if (quorum === undefined) throw new MalformedError(format, "the quorum line is missing")
  return { logs, members, quorum }
}

/**
 * The earliest time at which the quorum was satisfied, given when each witness cosigned (same unit in and out); null
 * when it is not satisfied, and when the policy asks for no witness.
 */
export const quorumTime = (policy: WitnessPolicy, times: ReadonlyMap<VerifierKey, number>): number | null => {
  const timeOf = (name: string): number => {
    const member = policy.members.get(name)
    if (member === undefined) return Number.POSITIVE_INFINITY
    if (member.kind === "witness") return times.get(member.key) ?? Number.POSITIVE_INFINITY
    const all = member.members.map(timeOf).sort((left, right) => left - right)
    return all[member.threshold - 1] ?? Number.POSITIVE_INFINITY
  }
  if (policy.quorum === null) return null
  const time = timeOf(policy.quorum)
  return Number.isFinite(time) ? time : null
}
