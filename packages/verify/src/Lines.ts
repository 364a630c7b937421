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
  readonly #text: string
  /** Where the next line begins, and its number from 1. */
  #at = 0
  #number = 1

  /** @param text the whole document; must end with one LF. */
  constructor(format: string, text: string) {
    this.#format = format
    this.#text = text
    if (text !== "" && !text.endsWith("\n")) {
      throw new MalformedError(format, "the last line does not end with LF", text.split("\n").length)
    }
    this.header(format)
  }

  /** The next line must be exactly this one. */
  header(expected: string): void {
    const end = this.#at + expected.length
    if (!this.#text.startsWith(expected, this.#at) || this.#text[end] !== "\n") {
      this.#fail(`expected the line "${expected}"`)
    }
    this.#advance(end)
  }

  /** The value of the next line, which must have this name, as read by `parse(value)`. */
  field<Value>(name: string, parse: (format: string, text: string) => Value): Value {
    const begin = this.#at + name.length + 1
    if (!this.has(name)) {
      this.#fail(this.#at === this.#text.length ? `the line "${name}" is missing` : `expected the line "${name} …"`)
    }
    const end = this.#text.indexOf("\n", begin)
    try {
      const value = parse(this.#format, this.#text.slice(begin, end))
      this.#advance(end)
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
    return this.#text.startsWith(name, this.#at) && this.#text[this.#at + name.length] === " "
  }

  /** Reads with `read` for as long as the next line has this name. */
  repeated<Value>(name: string, read: () => Value): Array<Value> {
    const values: Array<Value> = []
    while (this.has(name)) values.push(read())
    return values
  }

  /** There must be no further line. */
  end(): void {
    if (this.#at !== this.#text.length) this.#fail("unexpected line after the last one of the format")
  }

  #advance(end: number): void {
    this.#at = end + 1
    this.#number += 1
  }

  #fail(reason: string): never {
    throw new MalformedError(this.#format, reason, this.#number)
  }
}

/** The lines, each followed by LF. */
export const joinLines = (lines: ReadonlyArray<string>): string => `${lines.join("\n")}\n`
