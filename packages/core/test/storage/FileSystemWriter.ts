/** Child process of the crash test: `FileSystemWriter.ts <directory>`. */
import { Effect } from "effect"
import * as ObjectStoreFileSystem from "../../src/storage/ObjectStoreFileSystem.ts"
import { putForever } from "./PutForever.ts"

await Effect.runPromise(Effect.provide(putForever, ObjectStoreFileSystem.layer(process.argv[2]!)))
