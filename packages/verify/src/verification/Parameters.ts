/**
 * Collection-parameters documents (ledger format §3): canonical JSON that says how a window was collected, and
 * optionally for how long the source can be read again (`horizon`, ms).
 */
import type { ObjectEntry } from "../Entry.ts"
import { MalformedError } from "../Malformed.ts"
import type { Documents } from "./Documents.ts"
import type { Findings } from "./Findings.ts"

const format = "collection parameters"
// Distinct parameter documents remembered; a source has a handful over its life.
const remembered = 10_000

/** The horizon (ms) that a parameters document states, or null; throws {@link MalformedError} unless a JSON object. */
export const readHorizon = (bytes: Uint8Array): number | null => {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  } catch {
    throw new MalformedError(format, "not JSON")
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new MalformedError(format, "not a JSON object")
  }
  if (!("horizon" in value)) return null
  const { horizon } = value
  if (typeof horizon !== "number" || !Number.isSafeInteger(horizon) || horizon < 0) {
    throw new MalformedError(format, "\"horizon\" is not a number of milliseconds")
  }
  return horizon
}

/** Checks each parameters document once and remembers its horizon. */
export class Parameters {
  readonly #documents: Documents
  readonly #findings: Findings
  readonly #horizons = new Map<string, number | null>()

  constructor(documents: Documents, findings: Findings) {
    this.#documents = documents
    this.#findings = findings
  }

  /** The horizon of the source as the entry's parameters document states it, or null. */
  async horizon(entry: ObjectEntry): Promise<number | null> {
    const { params, chain, seq } = entry
    if (params === null) return null
    const known = this.#horizons.get(params)
    if (known !== undefined) return known
    const bytes = await this.#documents.read({ chain, seq, hash: params, size: null })
    const horizon = bytes === null ? null : this.#parse(bytes, entry)
    if (this.#horizons.size >= remembered) this.#horizons.clear()
    this.#horizons.set(params, horizon)
    return horizon
  }

  #parse(bytes: Uint8Array, { chain, seq }: ObjectEntry): number | null {
    try {
      return readHorizon(bytes)
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      this.#findings.add({ code: "MALFORMED_DOCUMENT", severity: "malformed", chain, seq, detail: error.message })
      return null
    }
  }
}
