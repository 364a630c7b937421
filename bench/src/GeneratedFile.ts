/**
 * The data of the benchmarks: a file of generated NDJSON with realistic records, the same for the same size.
 */
import { generateBytes } from "@rainlogs/cloudflare-simulator/RecordGenerator"
import { open } from "node:fs/promises"

/** Writes at least `sizeBytes` of whole lines; returns how many bytes and lines. */
export const writeGenerated = async (file: string, sizeBytes: number): Promise<{ bytes: number; lines: number }> => {
  const handle = await open(file, "wx", 0o600)
  let bytes = 0
  let lines = 0
  try {
    for (const chunk of generateBytes({ bytes: sizeBytes, seed: "bench", chunkBytes: 1_048_576 })) {
      await handle.writeFile(chunk)
      bytes += chunk.length
      for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) lines++
    }
  } finally {
    await handle.close()
  }
  return { bytes, lines }
}
