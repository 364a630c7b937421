/**
 * Writes docs/configuration.md from the list of settings; a test compares the two.
 */
import { writeFileSync } from "node:fs"
import { configurationDocument } from "../appliance/src/ConfigurationDocument.ts"

writeFileSync(new URL("../docs/configuration.md", import.meta.url), configurationDocument())
