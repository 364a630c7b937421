/** A directory for one test, removed with the scope. */
import { Effect } from "effect"
import { chmodSync, mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** An empty directory, removed when the scope closes. */
export const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => realpathSync(mkdtempSync(join(tmpdir(), "rainlogs-test-")))),
  (path) =>
    Effect.sync(() => {
      // A test may have taken the right to write away.
      for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
        if (entry.isDirectory()) chmodSync(join(entry.parentPath, entry.name), 0o700)
      }
      rmSync(path, { recursive: true, force: true })
    })
)
