/**
 * Puts the verdicts where a test that drives a browser can ask for them.
 */
import { liveReport } from "./LiveReport.ts"
import { verdictsOf } from "./Verdicts.ts"

Object.assign(globalThis, { verdictsOf, liveReport })
