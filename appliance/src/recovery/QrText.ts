/**
 * A QR code of half-height blocks, two rows of modules in a line of text.
 */
import { encode } from "uqr"

/** `paper`: blocks are ink on white. `terminal`: blocks are light on a dark ground. */
export type QrGround = "paper" | "terminal"

/** The lines of the code, with the four quiet modules around it that scanners want. */
export const qrText = (text: string, ground: QrGround): ReadonlyArray<string> => {
  const { data } = encode(text, { ecc: "M", border: 4 })
  const isBlock = (row: number, column: number): boolean => {
    const isDark = data[row]?.[column] ?? false
    return ground === "paper" ? isDark : !isDark
  }
  const lines: Array<string> = []
  for (let row = 0; row < data.length; row += 2) {
    lines.push(
      (data[row] ?? []).map((_, column) => {
        const [upper, lower] = [isBlock(row, column), isBlock(row + 1, column)]
        return upper && lower ? "\u2588" : upper ? "\u2580" : lower ? "\u2584" : " "
      }).join("")
    )
  }
  return lines
}
