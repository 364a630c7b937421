/**
 * The lines of a frame, and a frame of lines.
 */

const lineFeed = Buffer.from("\n")

/** The lines of a frame, without their LF; empty ones are left out. */
export const linesOf = (frame: Buffer): Array<Buffer> => {
  const lines: Array<Buffer> = []
  for (let from = 0; from < frame.length;) {
    const end = frame.indexOf(0x0a, from)
    const to = end === -1 ? frame.length : end
    if (to > from) lines.push(frame.subarray(from, to))
    from = to + 1
  }
  return lines
}

/** A frame of these lines, each ended by LF. */
export const frameOf = (lines: ReadonlyArray<Buffer>): Buffer =>
  Buffer.concat(lines.flatMap((line) => [line, lineFeed]))
