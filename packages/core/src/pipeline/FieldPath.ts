/**
 * A field of a record: names joined by dots, `RequestHeaders.cookie`. A backslash keeps a dot or a backslash of a name.
 * Arrays on the way are gone through: the path is that of every element.
 */
import { Schema } from "effect"

/** The most names of a path. */
export const mostNames = 16

/** The names of a path, or undefined if it is none. */
export const namesOf = (path: string): ReadonlyArray<string> | undefined => {
  const names: Array<string> = []
  let name = ""
  for (let i = 0; i < path.length; i++) {
    const char = path[i]!
    if (char === "\\") {
      const kept = path[++i]
      if (kept !== "." && kept !== "\\") return undefined
      name += kept
    } else if (char === ".") {
      names.push(name)
      name = ""
    } else name += char
  }
  names.push(name)
  return names.length > mostNames || names.includes("") ? undefined : names
}

/** A path as a rule writes it. */
export const FieldPath = Schema.String.check(
  Schema.isMaxLength(512),
  Schema.makeFilter((path: string) => namesOf(path) !== undefined, {
    expected: `names joined by dots, at most ${mostNames}; a dot or backslash in a name is written \\. or \\\\`
  })
)
