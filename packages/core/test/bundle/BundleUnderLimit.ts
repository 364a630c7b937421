/**
 * Child process of the full-disk test, run under a file size limit: makes a bundle of argv[2] into argv[3], and prints
 * as JSON what came of it.
 */
import { Effect, Option } from "effect"
import { failureOf } from "../../src/bundle/BundleFailure.ts"
import { makeBundle } from "../../src/bundle/MakeBundle.ts"
import * as ObjectStoreFileSystem from "../../src/storage/ObjectStoreFileSystem.ts"
import * as ObjectStoreReader from "../../src/storage/ObjectStoreReader.ts"

const [, , archive = "", out = "", origin = "", chain = ""] = process.argv

const program = Effect.gen(function*() {
  const source = yield* ObjectStoreReader.make
  return yield* makeBundle({
    origin,
    chain,
    from: 0,
    to: Number.MAX_SAFE_INTEGER,
    source,
    disclose: Option.none(),
    out,
    temporary: `${out}.part`,
    reservedBytes: 0
  }).pipe(
    Effect.as({ code: "made" }),
    Effect.catchTag("BundleFailure", ({ code, detail, remedy }) => Effect.succeed({ code, detail, remedy }))
  )
})

console.log(JSON.stringify(
  await Effect.runPromise(Effect.provide(program, ObjectStoreFileSystem.layer(archive))).catch(failureOf)
))
