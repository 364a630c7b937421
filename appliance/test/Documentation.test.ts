/**
 * What can be checked of the documentation without reading it: links lead somewhere, finding codes and metrics are those
 * of the sources, and every export says what it is.
 */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../", import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), "utf8")

const documents = globSync(["*.md", "docs/*.md", "bench/*.md", "packages/*/*.md"], { cwd: root })
const sources = globSync(["{packages,appliance,bench,scripts}/**/*.{ts,mjs}"], {
  cwd: root,
  exclude: (name) => ["node_modules", "dist"].includes(name)
}).filter((path) => !path.includes("node_modules") && !path.endsWith(".generated.ts"))

describe("the documentation", () => {
  it("has no relative link that leads nowhere", () => {
    const broken = documents.flatMap((document) =>
      [...read(document).matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
        .map(([, target = ""]) => target)
        .filter((target) => !existsSync(join(root, dirname(document), target)))
        .map((target) => `${document}: ${target}`)
    )
    assert.isAbove(documents.length, 8)
    assert.deepStrictEqual(broken, [])
  })

  it("explains the verifier's finding codes: all of them, and no other", () => {
    const explained = [...read("packages/verify/README.md").matchAll(/`([A-Z]+(?:_[A-Z]+)*)`/g)].map(([, code]) => code)
    const codes = sources.filter((path) => path.startsWith("packages/verify/src/")).flatMap((path) =>
      [...read(path).matchAll(/"([A-Z]+(?:_[A-Z]+)+|UNSIGNED|TRUNCATED|EQUIVOCATION|STALE)"/g)]
        .map(([, code]) => code)
    )
    assert.isAbove(codes.length, 30)
    assert.sameMembers([...new Set(explained)], [...new Set(codes)])
  })

  it("explains the metrics: all of them, and no other", () => {
    const rows = read("docs/operations.md").split("\n").filter((line) => line.startsWith("| `rainlogs_")).join("\n")
    const explained = [...rows.matchAll(/`(rainlogs_[a-z_]+)/g)].map(([, name]) => name)
    const metrics = sources.filter((path) => /^(?:packages|appliance)\/(?:[a-z-]+\/)?src\//.test(path)).flatMap((
      path
    ) =>
      read(path).includes("Metric.") ? [...read(path).matchAll(/"(rainlogs_[a-z_]+)"/g)].map(([, name]) => name) : []
    )
    assert.isAbove(metrics.length, 10)
    assert.sameMembers(explained, metrics)
  })

  it("names in prose no finding code that neither the verifier nor fsck has", () => {
    const fsck = sources.filter((path) => path.startsWith("packages/core/src/ledger/fsck/")).map((path) => read(path))
    const known = read("packages/verify/README.md") + fsck.join("").replaceAll("\"", "`")
    const unknown = documents.flatMap((document) =>
      [...read(document).matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)]
        .map(([, code = ""]) => code)
        .filter((code) => !/^(?:RAINLOGS|DATABASE)_/.test(code) && !known.includes(`\`${code}\``))
        .map((code) => `${document}: ${code}`)
    )
    assert.deepStrictEqual(unknown, [])
  })
})

describe("the sources", () => {
  it("say at the top of every file what it is, and of every export", () => {
    const silent = sources.filter((path) => !path.endsWith(".test.ts")).flatMap((path) => {
      const lines = read(path).split("\n")
      const header = lines.slice(0, 2).some((line) => line.startsWith("/**")) ? [] : [`${path}: no header`]
      const undocumented = lines.flatMap((line, index) => {
        if (!/^export (?![{*]|type \{)/.test(line) || lines[index - 1]?.endsWith("*/") === true) return []
        // A schema and its type share a name and a sentence.
        const type = /^export type (\w+)/.exec(line)?.[1]
        const documented = type !== undefined && lines.some((other) => other.startsWith(`export const ${type} `))
        return documented ? [] : [`${path}:${index + 1} ${line}`]
      })
      return [...header, ...undocumented]
    })
    assert.isAbove(sources.length, 200)
    assert.deepStrictEqual(silent, [])
  })
})
