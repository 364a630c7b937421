/**
 * Builds the verifier as one JavaScript file for Node, Bun and Deno, and as one HTML page that needs no network:
 * dist/verifier/rainlogs-verify.mjs and dist/verifier/rainlogs-verify.html.
 */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { environment, install, root } from "./install.mjs"

install()
const source = join(root, "packages", "verify", "src")
const target = join(root, "dist", "verifier")
rmSync(target, { recursive: true, force: true })
mkdirSync(target, { recursive: true })

const bundle = (entry, platform, out) => {
  const argv = [join(source, entry), "--platform", platform, "--format", "esm", "--minify", "--file", out]
  const result = spawnSync(join(root, "node_modules", ".bin", "rolldown"), argv, {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
    env: environment()
  })
  if (result.status !== 0) {
    process.stderr.write(`rolldown ${argv.join(" ")} failed (${result.status ?? result.error?.message}).\n`)
    process.exit(1)
  }
  // Notes to bundlers say nothing to a browser.
  return readFileSync(out, "utf8").replaceAll(/\/\* *@__PURE__ *\*\//g, "")
}

const program = join(target, "rainlogs-verify.mjs")
writeFileSync(
  program,
  `#!/usr/bin/env node\n${bundle("node/rainlogs-verify.ts", "node", program).replace(/^#!.*\n/, "")}`
)
chmodSync(program, 0o755)

const script = bundle("browser/Page.ts", "browser", join(target, "page.js")).trim().replaceAll("</script", "<\\/script")
rmSync(join(target, "page.js"))
const style = readFileSync(join(source, "browser", "page.css"), "utf8").replaceAll(/\s+/g, " ").trim()
const hashOf = (text) => `sha256-${createHash("sha256").update(text).digest("base64")}`
const values = { script, style, "script-hash": hashOf(script), "style-hash": hashOf(style) }
const html = readFileSync(join(source, "browser", "page.html"), "utf8").replaceAll(
  /\{\{([a-z-]+)\}\}/g,
  (_, name) => values[name]
)
const page = join(target, "rainlogs-verify.html")
writeFileSync(page, html)

for (const path of [program, page]) {
  const { length } = spawnSync("gzip", ["-9c", path]).stdout
  process.stdout.write(`${path}: ${readFileSync(path).length} bytes, ${length} gzipped\n`)
}
