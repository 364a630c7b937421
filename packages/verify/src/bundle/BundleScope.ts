/**
 * `rainlogs-bundle/v1`, the member `SCOPE` of a bundle: which ledger it holds, at which size, and the objects of which
 * windows. It is a statement of whoever made the bundle, and is shown with the verdicts.
 */
import { encode } from "../Ascii.ts"
import * as Field from "../Field.ts"
import { joinLines, Lines } from "../Lines.ts"
import { MalformedError } from "../Malformed.ts"

const format = "rainlogs-bundle/v1"

/** What a bundle holds; times in ms. */
export interface BundleScope {
  readonly origin: string
  /** The zone whose objects it holds. */
  readonly chain: string
  /** Objects whose window intersects `[from, to)`. */
  readonly from: number
  readonly to: number
  /** Tree size of the ledger in it. */
  readonly size: number
  /** Whether it holds the data keys of its objects. */
  readonly disclosed: boolean
}

const check = (scope: BundleScope): BundleScope => {
  if (scope.from >= scope.to) throw new MalformedError(format, "the windows are empty or reversed")
  if (scope.chain === "control") throw new MalformedError(format, "objects belong to a zone's chain")
  return scope
}

/** The document. */
export const printBundleScope = (scope: BundleScope): string => {
  check(scope)
  const text = joinLines([
    format,
    `origin ${Field.origin(format, scope.origin)}`,
    `chain ${Field.chain(format, scope.chain)}`,
    `from ${Field.count(format, scope.from)}`,
    `to ${Field.count(format, scope.to)}`,
    `size ${Field.count(format, scope.size)}`,
    `disclosed ${scope.disclosed ? "yes" : "no"}`
  ])
  encode(text, format)
  return text
}

/** Reads the document; throws {@link MalformedError}. */
export const parseBundleScope = (text: string): BundleScope => {
  encode(text, format)
  const lines = new Lines(format, text)
  const scope = {
    origin: lines.field("origin", Field.origin),
    chain: lines.field("chain", Field.chain),
    from: lines.field("from", Field.parseCount),
    to: lines.field("to", Field.parseCount),
    size: lines.field("size", Field.parseCount),
    disclosed: lines.field("disclosed", (_, word) => Field.oneOf(format, ["yes", "no"], word)) === "yes"
  }
  lines.end()
  return check(scope)
}
