/**
 * `rainlogs-release/v1` (ledger format §7): ends a legal hold. The text of a signed note, signed by the quorum of
 * approvers of the policy in force.
 */
import { encode } from "./Ascii.ts"
import * as Field from "./Field.ts"
import { joinLines, Lines } from "./Lines.ts"

const format = "rainlogs-release/v1"

/** The end of a hold; `issued` in ms. */
export interface Release {
  readonly origin: string
  readonly id: string
  /** Id of the hold that ends. */
  readonly hold: string
  /** Opaque reference to the legal basis. */
  readonly basis: string
  readonly issued: number
}

/** The note text. */
export const printRelease = (release: Release): string => {
  const text = joinLines([
    format,
    `origin ${Field.origin(format, release.origin)}`,
    `id ${Field.uuid(format, release.id)}`,
    `hold ${Field.uuid(format, release.hold)}`,
    `basis ${Field.phrase(format, release.basis)}`,
    `issued ${Field.count(format, release.issued)}`
  ])
  encode(text, format)
  return text
}

/** Reads the note text; throws `MalformedError`. */
export const parseRelease = (text: string): Release => {
  encode(text, format)
  const lines = new Lines(format, text)
  const release = {
    origin: lines.field("origin", Field.origin),
    id: lines.field("id", Field.uuid),
    hold: lines.field("hold", Field.uuid),
    basis: lines.field("basis", Field.phrase),
    issued: lines.field("issued", Field.parseCount)
  }
  lines.end()
  return release
}
