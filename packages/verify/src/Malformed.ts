/**
 * The one error every strict parser and printer of this package throws: the input is not in the format, and nothing
 * was guessed from it.
 */

/**
 * Input that is not exactly in the named format (ledger format §1: "MALFORMED, never best effort").
 *
 * `format` names the format (`rainlogs-entry/v1`, `signed note`…), `reason` says what is wrong, `line` is the 1-based
 * line when the format is line-based.
 */
export class MalformedError extends Error {
  override readonly name = "MalformedError"
  readonly format: string
  readonly reason: string
  readonly line?: number

  constructor(format: string, reason: string, line?: number) {
    super(`malformed ${format}${line === undefined ? "" : `, line ${line}`}: ${reason}`)
    this.format = format
    this.reason = reason
    if (line !== undefined) this.line = line
  }
}
