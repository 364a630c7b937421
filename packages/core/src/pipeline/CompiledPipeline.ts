/**
 * A pipeline made ready for one window, and run on frames of whole lines. Only the bytes of changed values change.
 */
import { compileCondition, type Test } from "./CompiledCondition.ts"
import { compileEdit, type EditRule, type PseudonymKeys, type Replace } from "./CompiledEdit.ts"
import { FieldTree } from "./FieldTree.ts"
import { JsonValue, type Place } from "./JsonValue.ts"
import { LineScanner } from "./LineScanner.ts"
import type { Pipeline } from "./Pipeline.ts"
import { PipelineError } from "./PipelineError.ts"
import { Unfit } from "./Unfit.ts"

const lineFeed = 0x0a

/** The most values of fields that rules name in one line. */
const mostValues = 100_000

/** Lines so far. `failed` counts lines that a rule could not be applied to, whether they were kept or dropped. */
export interface PipelineCounts {
  lines: number
  kept: number
  dropped: number
  edited: number
  failed: number
}

interface Edit {
  readonly rule: EditRule
  readonly slot: number
  readonly replace: Replace
}

interface Change {
  readonly from: number
  readonly to: number
  readonly bytes: Buffer | null
}

/** What became of a line; `fault` is set where a rule could not be applied to it. */
export interface LineOutcome {
  readonly outcome: "kept" | "dropped" | "edited"
  readonly fault: PipelineError | null
}

/** Runs a pipeline. One per window: it counts lines. */
export class CompiledPipeline {
  readonly counts: PipelineCounts = { lines: 0, kept: 0, dropped: 0, edited: 0, failed: 0 }
  readonly #onError: "fail" | "drop" | "keep"
  readonly #filters: Array<{ readonly test: Test; readonly drops: boolean }> = []
  readonly #edits: Array<Edit | undefined> = []
  readonly #found: Array<Array<JsonValue>>
  readonly #scanner: LineScanner
  #frame: Buffer = Buffer.alloc(0)
  #changes: Array<Change> = []
  #values = 0
  readonly #seen: ReadonlyArray<Edit>
  // Fields with a smaller number are those of conditions.
  readonly #tested: number

  /** @param keys of every rotation the rules name. */
  constructor(pipeline: Pipeline, keys: PseudonymKeys) {
    this.#onError = pipeline.onError ?? "fail"
    const fields = new FieldTree()
    for (const rule of pipeline.rules) {
      if (rule.rule === "keep" || rule.rule === "drop") {
        this.#filters.push({ test: compileCondition(rule.when, fields), drops: rule.rule === "drop" })
      }
    }
    this.#tested = fields.slots
    for (const rule of pipeline.rules) {
      if (rule.rule === "keep" || rule.rule === "drop") continue
      const slot = fields.slotOf(rule.field)
      this.#edits[slot] = { rule, slot, replace: compileEdit(rule, keys) }
    }
    this.#seen = this.#edits.filter((edit) => edit !== undefined)
    this.#found = Array.from({ length: fields.slots }, () => [])
    this.#scanner = new LineScanner(fields.root, {
      value: (slot, from, to, place) => this.#value(slot, from, to, place),
      removes: (slot) => this.#edits[slot]?.rule.rule === "drop-field",
      remove: (from, to) => this.#changes.push({ from, to, bytes: null })
    })
  }

  /**
   * The frame's lines as they are archived, each ended by LF; the very frame if none changed. Throws
   * {@link PipelineError} with `onError: fail`. `each` is told of every line.
   */
  apply(frame: Buffer, each?: (outcome: LineOutcome) => void): Buffer {
    this.#frame = frame
    const pieces: Array<Uint8Array> = []
    let copied = 0
    const replace = ({ bytes, from, to }: Change) => {
      if (from > copied) pieces.push(frame.subarray(copied, from))
      if (bytes !== null) pieces.push(bytes)
      copied = to
    }
    for (let from = 0; from < frame.length;) {
      const lf = frame.indexOf(lineFeed, from)
      const to = lf === -1 ? frame.length : lf
      const next = Math.min(to + 1, frame.length)
      const outcome = this.#line(from, to)
      if (outcome.outcome === "dropped") replace({ from, to: next, bytes: null })
      else if (outcome.outcome === "edited") { for (const change of this.#changes) replace(change) }
      each?.(outcome)
      from = next
    }
    if (copied === 0 && pieces.length === 0) return frame
    if (copied < frame.length) pieces.push(frame.subarray(copied))
    return Buffer.concat(pieces)
  }

  #line(from: number, to: number): LineOutcome {
    this.counts.lines++
    try {
      const outcome = this.#try(from, to)
      this.counts[outcome === "dropped" ? "dropped" : "kept"]++
      if (outcome === "edited") this.counts.edited++
      return { outcome, fault: null }
    } catch (error) {
      if (!(error instanceof Unfit)) throw error
      this.counts.failed++
      const fault = new PipelineError({ code: error.code, line: this.counts.lines, field: error.field })
      if (this.#onError === "fail") throw fault
      this.counts[this.#onError === "drop" ? "dropped" : "kept"]++
      return { outcome: this.#onError === "drop" ? "dropped" : "kept", fault }
    }
  }

  #try(from: number, to: number): "kept" | "dropped" | "edited" {
    for (const values of this.#found) if (values.length > 0) values.length = 0
    this.#changes = []
    this.#values = 0
    this.#scanner.scan(this.#frame, from, to)
    for (const { drops, test } of this.#filters) if (test(this.#found) === drops) return "dropped"
    for (const { rule, slot } of this.#seen) {
      if (rule.missing !== "ignore" && this.#found[slot]!.length === 0) throw new Unfit("missing-field", rule.field)
    }
    if (this.#seen.length === 0) return "kept"
    this.#replaceValues()
    if (this.#changes.length === 0) return "kept"
    this.#changes.sort((a, b) => a.from - b.from)
    return "edited"
  }

  #value(slot: number, from: number, to: number, place: Place): void {
    if (place === "element" && slot >= this.#tested && isWhole(this.#edits[slot])) return
    if (this.#values++ === mostValues) throw new Unfit("too-many-values")
    this.#found[slot]!.push(new JsonValue(this.#frame, from, to, place))
  }

  // Only of lines that stay: a line that is dropped needs no pseudonym.
  #replaceValues(): void {
    for (const edit of this.#seen) {
      const { rule, slot } = edit
      const whole = isWhole(edit)
      for (const value of this.#found[slot]!) {
        if (whole && value.place === "element") continue
        const bytes = at(rule.field, () => !whole && value.kind === "container" ? inside(value) : edit.replace(value))
        if (bytes !== undefined) this.#changes.push({ from: value.from, to: value.to, bytes })
      }
    }
  }
}

/** Whether a rule is about a member's whole value; the others are about each element of an array. */
const isWhole = (edit: Edit | undefined): boolean =>
  edit !== undefined && (edit.rule.rule === "redact" || edit.rule.rule === "drop-field")

// The elements of an array are values of their own.
const inside = (value: JsonValue): undefined => {
  if (!value.isArray) throw new Unfit("not-a-value")
  return undefined
}

const at = <A>(field: string, run: () => A): A => {
  try {
    return run()
  } catch (error) {
    if (error instanceof Unfit) throw new Unfit(error.code, field)
    throw error
  }
}
