/**
 * Reads from the command line what is trusted: keys, witnesses, roots of timestamp authorities, kept checkpoints.
 */
import { MalformedError } from "../Malformed.ts"
import { type Certificate, parseCertificates } from "../timestamp/Certificate.ts"
import type { VerifyOptions } from "../VerifyArchive.ts"
import { parseWitnessPolicy } from "../WitnessPolicy.ts"
import { parseDuration, parseKey, parseMoment, readSmallFile, UsageError } from "./CommandLine.ts"

/** The options of {@link readTrust}, for `parseArgs`. */
export const trustOptions = {
  key: { type: "string", multiple: true },
  policy: { type: "string" },
  "tsa-root": { type: "string", multiple: true },
  pin: { type: "string", multiple: true },
  "key-changes": { type: "string", multiple: true },
  "as-of": { type: "string" },
  "max-staleness": { type: "string" }
} as const

/** The values that `parseArgs` gives for {@link trustOptions}. */
export interface TrustValues {
  readonly key?: Array<string> | undefined
  readonly policy?: string | undefined
  readonly "tsa-root"?: Array<string> | undefined
  readonly pin?: Array<string> | undefined
  readonly "key-changes"?: Array<string> | undefined
  readonly "as-of"?: string | undefined
  readonly "max-staleness"?: string | undefined
}

/** Oldest trusted time allowed with `--as-of` and no `--max-staleness`: 24 h, in ms. */
export const defaultStaleness = 86_400_000

const readPolicy = async (path: string) => {
  const text = new TextDecoder().decode(await readSmallFile("--policy", path))
  try {
    return parseWitnessPolicy(text)
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error
    throw new UsageError(`--policy ${path}: ${error.message}`)
  }
}

const readRoots = async (path: string): Promise<Array<Certificate>> => {
  const bytes = await readSmallFile("--tsa-root", path)
  try {
    return parseCertificates(bytes)
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error
    throw new UsageError(`--tsa-root ${path}: ${error.message}; give the root certificate as PEM or DER`)
  }
}

/** What is trusted, with files read; throws {@link UsageError}. */
export const readTrust = async (values: TrustValues): Promise<VerifyOptions> => {
  const witnessPolicy = values.policy === undefined ? undefined : await readPolicy(values.policy)
  const keys = [...(values.key ?? []).map(parseKey), ...values.key === undefined ? witnessPolicy?.logs ?? [] : []]
  if (values["max-staleness"] !== undefined && values["as-of"] === undefined) {
    throw new UsageError(
      "--max-staleness goes with --as-of, the moment it counts from (now: --as-of \"$(date -u +%FT%TZ)\")"
    )
  }
  const pinned = await Promise.all(
    (values.pin ?? []).map(async (name) => ({ name, bytes: await readSmallFile("--pin", name) }))
  )
  const keyChanges = await Promise.all(
    (values["key-changes"] ?? []).map((path) => readSmallFile("--key-changes", path))
  )
  const timestampRoots = (await Promise.all((values["tsa-root"] ?? []).map(readRoots))).flat()
  const staleness = values["max-staleness"]
  return {
    keys,
    pinned,
    keyChanges,
    timestampRoots,
    ...witnessPolicy === undefined ? {} : { witnessPolicy },
    ...values["as-of"] === undefined ? {} : {
      freshness: {
        asOf: parseMoment("--as-of", values["as-of"]),
        maxStaleness: staleness === undefined ? defaultStaleness : parseDuration("--max-staleness", staleness)
      }
    }
  }
}
