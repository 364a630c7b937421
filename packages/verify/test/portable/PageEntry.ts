/**
 * Puts the verdicts where a test that drives a browser can ask for them.
 */
import { verdictsOf } from "./Verdicts.ts"

Object.assign(globalThis, { verdictsOf })
