/**
 * Builds the npm packages into dist/packages/<name>: ESM, declarations and a package.json whose `exports` name every
 * public module. Then checks each with publint and arethetypeswrong. `--only NAME` builds one that the others do not
 * come before, and checks nothing.
 */
import { spawnSync } from "node:child_process"
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { environment, install, root } from "./install.mjs"

/** In the order of their imports. */
const packages = ["verify", "core", "server"]

const run = (command, args, options = {}) => {
  const result = spawnSync(join(root, "node_modules", ".bin", command), args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: environment(),
    ...options
  })
  if (result.status !== 0) {
    process.stderr.write(`${command} ${args.join(" ")} failed (${result.status ?? result.error?.message}).\n`)
    process.exit(1)
  }
}

/** Module paths below `directory`, without extension; `internal` folders are not public. */
const modules = (directory, prefix = "") =>
  readdirSync(join(directory, prefix), { withFileTypes: true }).flatMap((entry) => {
    const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`
    if (entry.isDirectory()) return entry.name === "internal" ? [] : modules(directory, path)
    return path.endsWith(".d.ts") ? [path.slice(0, -".d.ts".length)] : []
  })

const build = (name) => {
  const source = join(root, "packages", name)
  const target = join(root, "dist", "packages", name)
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true })
  const earlier = packages.slice(0, packages.indexOf(name))
  const configuration = {
    extends: join(root, "tsconfig.base.json"),
    include: [join(source, "src")],
    compilerOptions: {
      noEmit: false,
      declaration: true,
      outDir: target,
      rootDir: join(source, "src"),
      plugins: [],
      paths: Object.fromEntries(earlier.map((other) => [
        `@rainlogs/${other}/*`,
        [join(root, "dist", "packages", other, "*.d.ts")]
      ]))
    }
  }
  const configurationFile = join(root, "dist", "packages", `tsconfig.${name}.json`)
  writeFileSync(configurationFile, JSON.stringify(configuration))
  run("tsc", ["-p", configurationFile])
  rmSync(configurationFile)

  const { bin, dependencies, description, keywords, license, name: packageName, type, version } = JSON.parse(
    readFileSync(join(source, "package.json"), "utf8")
  )
  const manifest = {
    name: packageName,
    version,
    description,
    keywords,
    license,
    type,
    engines: { node: ">=22.19" },
    ...(bin === undefined ? {} : {
      bin: Object.fromEntries(
        Object.entries(bin).map(([command, file]) => [command, file.replace("src/", "").replace(/\.ts$/, ".js")])
      )
    }),
    sideEffects: false,
    files: ["**/*.js", "**/*.d.ts", "README.md", "LICENSE"],
    exports: {
      ...Object.fromEntries(
        modules(target).filter((path) => !pageScripts.has(path)).toSorted().map((
          path
        ) => [`./${path}`, { types: `./${path}.d.ts`, default: `./${path}.js` }])
      ),
      "./package.json": "./package.json"
    },
    dependencies
  }
  writeFileSync(join(target, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`)
  copyFileSync(join(root, "LICENSE"), join(target, "LICENSE"))
  const readme = join(source, "README.md")
  if (existsSync(readme)) copyFileSync(readme, join(target, "README.md"))
}

/** Loads every public module of the built packages on plain Node, as a service that installed them would. */
const load = () => {
  const consumer = mkdtempSync(join(tmpdir(), "rainlogs-consumer-"))
  try {
    const scope = join(consumer, "node_modules", "@rainlogs")
    mkdirSync(scope, { recursive: true })
    for (const entry of readdirSync(join(root, "node_modules"))) {
      if (entry !== "@rainlogs" && !entry.startsWith(".")) {
        symlinkSync(join(root, "node_modules", entry), join(consumer, "node_modules", entry))
      }
    }
    for (const name of packages) cpSync(join(root, "dist", "packages", name), join(scope, name), { recursive: true })
    const specifiers = packages.flatMap((name) => {
      const { exports } = JSON.parse(readFileSync(join(scope, name, "package.json"), "utf8"))
      return Object.keys(exports).filter((path) => path !== "./package.json").map((path) =>
        `@rainlogs/${name}${path.slice(1)}`
      )
    }).filter((specifier) => !executables.has(specifier))
    writeFileSync(
      join(consumer, "load.mjs"),
      `for (const specifier of ${
        JSON.stringify(specifiers)
      }) await import(specifier)\nconsole.log("${specifiers.length} modules load on Node", process.version)\n`
    )
    run("node", [join(consumer, "load.mjs")], { cwd: consumer })
  } finally {
    rmSync(consumer, { recursive: true, force: true })
  }
}

/** Modules that run in a document: the page is built from them, and nobody imports them. */
const pageScripts = new Set(["browser/Page"])
/** Modules that do their work when loaded, or load on one runtime only. */
const executables = new Set(["@rainlogs/verify/node/rainlogs-verify", "@rainlogs/server/http/HttpServerBun"])

install()
const only = process.argv.indexOf("--only")
if (only !== -1) {
  const name = process.argv[only + 1]
  if (name === undefined || !packages.includes(name)) {
    process.stderr.write(`--only ${name}: name one of ${packages.join(", ")}\n`)
    process.exit(2)
  }
  build(name)
  process.exit(0)
}
for (const name of packages) build(name)
load()
for (const name of packages) {
  const target = join(root, "dist", "packages", name)
  run("publint", ["--strict", target])
  // The packages are ESM only: a CommonJS caller gets them through import().
  run("attw", ["--pack", target, "--profile", "esm-only", "--quiet"])
  process.stdout.write(`${name}: ESM, declarations and exports are clean\n`)
}
