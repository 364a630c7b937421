import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { afterAll, assert, it } from "@effect/vitest"
import { Anchors } from "@rainlogs/core/anchor/Anchor"
import * as ObjectStoreFileSystem from "@rainlogs/core/storage/ObjectStoreFileSystem"
import { makeVerifierKey, printVerifierKey } from "@rainlogs/verify/VerifierKey"
import { ConfigProvider, Effect, Layer } from "effect"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { LocalAuthority } from "../../packages/core/test/anchor/LocalAuthority.ts"
import * as ConfiguredAnchors from "../src/ConfiguredAnchors.ts"
import { DataDirectory } from "../src/DataDirectory.ts"

const directory = mkdtempSync(join(tmpdir(), "rainlogs-anchors-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const data = join(directory, "data")

const anchorsOf = (environment: Readonly<Record<string, string>>) =>
  Anchors.use((anchors) => Effect.succeed(anchors.map(({ id, type }) => `${type} ${id}`))).pipe(
    Effect.provide(ConfiguredAnchors.layer.pipe(
      Layer.provide(DataDirectory.layer(data)),
      Layer.provide(ObjectStoreFileSystem.layer(join(directory, "store"))),
      Layer.provide(NodeHttpClient.layerNodeHttp),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment)))
    ))
  )

const faultOf = (environment: Readonly<Record<string, string>>) =>
  Effect.map(Effect.flip(anchorsOf(environment)), ({ message }) => message)

const witness = printVerifierKey(makeVerifierKey("witness.example.org/w1", 4, new Uint8Array(32).fill(1)))

it.live("each setting makes its anchor", () =>
  Effect.gen(function*() {
    const authority = yield* Effect.promise(() => LocalAuthority.make())
    const roots = join(directory, "roots.pem")
    writeFileSync(roots, authority.roots)
    authority.dispose()
    assert.deepStrictEqual(yield* anchorsOf({}), [])
    assert.deepStrictEqual(
      yield* anchorsOf({
        RAINLOGS_TSA_URLS: "https://one.example, two=https://two.example",
        RAINLOGS_TSA_ROOTS: roots,
        RAINLOGS_ANCHOR_DIRECTORY: join(directory, "second"),
        RAINLOGS_ANCHOR_WEBHOOK_URL: "https://pin.example",
        RAINLOGS_ANCHOR_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32).toString("base64")}`,
        RAINLOGS_WITNESSES: `https://w.example/ ${witness}`
      }),
      [
        "rfc3161 tsa-one-example",
        "rfc3161 two",
        "bucket bucket",
        "webhook webhook",
        "witness witness-witness-example-org-w1"
      ]
    )
  }))

it.live("a witness that is half named stops the start", () =>
  Effect.gen(function*() {
    for (
      const [text, reason] of [
        ["", "no witness"],
        ["https://w.example/", "a space and its verifier key"],
        [`ftp://w.example/ ${witness}`, "http"],
        [`https://w.example/ ${witness}x`, "malformed"],
        [`https://w.example/ ${witness}, https://v.example/ ${witness}`, "stands twice"],
        [`https://w.example/ ${printVerifierKey(makeVerifierKey("log", 1, new Uint8Array(32)))}`, "type 4"]
      ] as const
    ) {
      assert.match(
        yield* faultOf({ RAINLOGS_WITNESSES: `${text} ` }),
        new RegExp(`RAINLOGS_WITNESSES.*${reason}`),
        text
      )
    }
  }))

it.live("roots that cannot be read, or are none, stop the start", () =>
  Effect.gen(function*() {
    const urls = { RAINLOGS_TSA_URLS: "https://one.example" }
    assert.include(yield* faultOf({ ...urls, RAINLOGS_TSA_ROOTS: join(directory, "absent.pem") }), "cannot be read")
    const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    for (const text of ["", "no certificate", broken]) {
      const file = join(directory, "broken.pem")
      writeFileSync(file, text)
      assert.include(yield* faultOf({ ...urls, RAINLOGS_TSA_ROOTS: file }), "RAINLOGS_TSA_ROOTS", JSON.stringify(text))
    }
  }))

it.live("a second store in, around or behind a link to the data directory is none", () =>
  Effect.gen(function*() {
    mkdirSync(join(data, "archive"), { recursive: true })
    const link = join(directory, "link")
    symlinkSync(join(data, "archive"), link)
    for (const path of [data, join(data, "archive"), join(data, "second"), directory, link]) {
      assert.include(yield* faultOf({ RAINLOGS_ANCHOR_DIRECTORY: path }), "must lie apart", path)
    }
    // A neighbour whose name begins alike is another directory.
    assert.deepStrictEqual(yield* anchorsOf({ RAINLOGS_ANCHOR_DIRECTORY: `${data}-second` }), ["bucket bucket"])
  }))
