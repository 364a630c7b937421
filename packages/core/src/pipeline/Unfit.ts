/**
 * Thrown inside a line when a rule cannot be applied to it; the pipeline says what becomes of the line.
 */
import type { LineFault } from "./PipelineError.ts"

/** What is wrong; `field` is the path in the rule, once it is known. */
export class Unfit extends Error {
  readonly code: LineFault
  readonly field: string | null

  constructor(code: LineFault, field: string | null = null) {
    super(code)
    this.code = code
    this.field = field
  }
}
