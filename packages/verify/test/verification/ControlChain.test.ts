import { assert, describe, it } from "vitest"
import { encode as ascii } from "../../src/Ascii.ts"
import { parseNote, printNote } from "../../src/Note.ts"
import { hour, minute, smallArchive, start } from "../ArchiveBuilder.ts"
import { codes, entryAt, key, republished, tampered, verify } from "../Verification.ts"

describe("policy", () => {
  it("must be there, count its versions and be signed by the log", async () => {
    const genesisOnly = smallArchive()
    genesisOnly.entries.splice(1, 1)
    genesisOnly.relink()
    assert.include(codes(await verify(republished(genesisOnly))), "POLICY_MISSING")
    const skipped = smallArchive().policy(start + 3 * hour + 10 * minute, { version: 3 }).publish()
    await tampered(skipped.files, "POLICY_VERSION_MISMATCH")
    const unsigned = smallArchive()
    const entry = entryAt(unsigned, 1)
    const policy = parseNote(unsigned.files.get(key(entry.key ?? "")) ?? ascii(""))
    const foreign = { ...policy, signatures: policy.signatures.map((line) => ({ ...line, name: "stranger" })) }
    unsigned.event(
      "policy",
      printNote({ ...foreign, text: policy.text.replace("version 1", "version 2") }),
      start + 4 * hour
    )
    assert.include(codes(await verify(unsigned.publish().files)), "UNSIGNED")
  })
})
