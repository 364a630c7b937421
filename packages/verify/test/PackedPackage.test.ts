/**
 * The package as npm packs it, in an empty directory, without a network.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { printVerifierKey } from "../src/VerifierKey.ts"
import { log, smallArchive, writeArchive } from "./ArchiveBuilder.ts"

const root = fileURLToPath(new URL("../../../", import.meta.url))

describe("the packed package", () => {
  let directory = ""
  const at = (name: string) => join(directory, name)
  // No registry can be asked: what is not in the tarballs is not there.
  const offline = () => ({
    ...process.env,
    npm_config_offline: "true",
    npm_config_registry: "http://127.0.0.1:9/",
    npm_config_cache: at("cache"),
    npm_config_audit: "false",
    npm_config_fund: "false"
  })
  const rainlogsVerify = (...argv: ReadonlyArray<string>) =>
    spawnSync("npx", ["--offline", "--no", "--", "rainlogs-verify", ...argv], {
      cwd: at("empty"),
      env: offline(),
      encoding: "utf8"
    })

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "rainlogs-packed-"))
    mkdirSync(at("tarballs"))
    mkdirSync(at("empty"))
    execFileSync(process.execPath, [join(root, "scripts/build-packages.mjs"), "--only", "verify"], { stdio: "ignore" })
    const built = join(root, "dist/packages/verify")
    const { dependencies } = JSON.parse(readFileSync(join(built, "package.json"), "utf8")) as {
      readonly dependencies: Readonly<Record<string, string>>
    }
    const folders = [built, ...Object.keys(dependencies).map((name) => join(root, "node_modules", name))]
    execFileSync("npm", ["pack", "--pack-destination", at("tarballs"), ...folders], {
      cwd: directory,
      env: offline(),
      stdio: "ignore"
    })
    writeFileSync(join(at("empty"), "package.json"), "{\"private\":true}\n")
    const tarballs = readdirSync(at("tarballs")).map((name) => join(at("tarballs"), name))
    execFileSync("npm", ["install", ...tarballs], { cwd: at("empty"), env: offline(), stdio: "pipe" })
    writeArchive(at("archive"), smallArchive().files)
  }, 300_000)
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  it("holds the program and its declarations, and no source", () => {
    const files = readdirSync(join(at("empty"), "node_modules/@rainlogs/verify"), { recursive: true, encoding: "utf8" })
    assert.includeMembers(files, ["node/rainlogs-verify.js", "VerifyArchive.js", "VerifyArchive.d.ts", "README.md"])
    assert.deepStrictEqual(files.filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts")), [])
  })

  it("verifies with npx, offline, with the exit codes of the format", () => {
    const asked = ["--key", printVerifierKey(log.key), "--only", "integrity,completeness"]
    const right = rainlogsVerify(at("archive"), ...asked)
    assert.strictEqual(right.status, 0, right.stderr)
    assert.match(right.stdout, /INTEGRITY +PASS/)
    const object = readdirSync(join(at("archive"), "logs"), { recursive: true, encoding: "utf8" })
      .find((name) => name.endsWith(".ndjson")) ?? ""
    writeFileSync(join(at("archive"), "logs", object), "{}\n")
    const wrong = rainlogsVerify(at("archive"), ...asked)
    assert.strictEqual(wrong.status, 1, wrong.stderr)
    assert.match(wrong.stdout, /OBJECT_HASH_MISMATCH/)
    assert.strictEqual(rainlogsVerify("--help").status, 0)
  }, 120_000)
})
