/**
 * Reader for the `name SP value` line documents: fixed order, LF after every line, nothing before, between or after.
 */
import { MalformedError } from "./Malformed.ts"

/**
 * Walks a document line by line. Every method throws {@link MalformedError} with the line number; {@link Lines.end}
 * must be called last, so that a trailing line cannot go unseen.
 */
export class Lines {
  readonly #format: string
  readonly #lines: ReadonlyArray<string>
  #next = 0

  /** @param text the whole document; must end with one LF. */
  constructor(format: string, text: string) {
    this.#format = format
    const lines = text.split("\n")
    if (lines.pop() !== "") throw new MalformedError(format, "the last line does not end with LF", lines.length + 1)
    this.#lines = lines
    this.header(format)
  }

  /** The next line must be exactly this one. */
  header(expected: string): void {
    if (this.#lines[this.#next] !== expected) this.#fail(`expected the line "${expected}"`)
    this.#next += 1
  }

  /** The value of the next line, which must have this name, as read by `parse(value)`. */
  field<Value>(name: string, parse: (format: string, text: string) => Value): Value {
    const line = this.#lines[this.#next]
    if (line === undefined || !line.startsWith(name) || line[name.length] !== " ") {
      this.#fail(line === undefined ? `the line "${name}" is missing` : `expected the line "${name} …"`)
    }
    try {
      const value = parse(this.#format, line.slice(name.length + 1))
      this.#next += 1
      return value
    } catch (error) {
      if (error instanceof MalformedError && error.line === undefined) this.#fail(error.reason)
      throw error
    }
  }

  /** The values of a line with exactly `length` words separated by single spaces. */
  words<Value>(name: string, length: number, parse: (format: string, words: ReadonlyArray<string>) => Value): Value {
    return this.field(name, (format, text) => {
      const words = text.split(" ")
      if (words.length !== length) throw new MalformedError(format, `"${name}" takes ${length} words`)
      return parse(format, words)
    })
  }

  /** Whether the next line has this name. */
  has(name: string): boolean {
    return this.#lines[this.#next]?.startsWith(`${name} `) ?? false
  }

  /** Reads with `read` for as long as the next line has this name. */
  repeated<Value>(name: string, read: () => Value): Array<Value> {
    const values: Array<Value> = []
    while (this.has(name)) values.push(read())
    return values
  }

  /** There must be no further line. */
  end(): void {
    if (this.#next !== this.#lines.length) this.#fail("unexpected line after the last one of the format")
  }

  #fail(reason: string): never {
    throw new MalformedError(this.#format, reason, this.#next + 1)
  }
}

/** The lines, each followed by LF. */
export const joinLines = (lines: ReadonlyArray<string>): string => `${lines.join("\n")}\n`
