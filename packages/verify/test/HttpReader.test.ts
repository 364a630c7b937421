import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "vitest"
import { printAnchored } from "../src/Anchored.ts"
import { encode as ascii } from "../src/Ascii.ts"
import { sha256 } from "../src/Hash.ts"
import * as Hex from "../src/Hex.ts"
import { HttpFetchError } from "../src/HttpFetch.ts"
import { type HttpReaderOptions, LedgerNotServedError, LedgerUrlError, openHttp } from "../src/HttpReader.ts"
import { checkpointArchiveKey, checkpointArchivePath, ledgerPrefix } from "../src/Layout.ts"
import { entriesPath, parseTilePath, tilePath, tileWidth } from "../src/Tile.ts"
import { verifyArchive } from "../src/VerifyArchive.ts"
import {
  type ArchiveBuilder,
  firstEpoch,
  hour,
  largeArchive,
  log,
  origin,
  smallArchive,
  start
} from "./ArchiveBuilder.ts"
import { atFirst, type Interference, type LedgerServer, withLedgerServer } from "./LedgerServer.ts"
import { type ArchiveFiles, memoryReader } from "./MemoryReader.ts"
import { changed, flip, key, without } from "./Verification.ts"

// Five hours of one-minute windows: 307 entries, a full bundle and a partial one, and an anchored checkpoint.
const anchoredArchive = (): ArchiveBuilder => {
  const builder = largeArchive(5)
  const size = builder.entries.length
  const immutable = builder.files.get(checkpointArchiveKey(origin, size)) ?? new Uint8Array()
  const checkpoint = Hex.encode(sha256(immutable))
  const receipt = ascii(JSON.stringify({ size, checkpoint }))
  builder.files.set(key(`anchor/${size}/second-bucket.json`), receipt)
  const document = printAnchored({
    origin,
    anchor: "second-bucket",
    type: "bucket",
    size,
    root: "00".repeat(32),
    checkpoint,
    receipt: Hex.encode(sha256(receipt)),
    time: start + 5 * hour
  })
  return builder.event("anchored", ascii(document), start + 5 * hour + 180_000).publish()
}

const quick: HttpReaderOptions = { backoffMs: 1 }
const options = { keys: [log.key], scope: "no-objects" } as const

const fromFiles = (files: ArchiveFiles) => verifyArchive(memoryReader(files), options)
const overHttp = async (url: string, reading: HttpReaderOptions = quick) =>
  verifyArchive(await openHttp(url, reading), options)

// What the latest state consists of: earlier partial tiles and heads that nothing names are not part of it.
const latestOnly = (files: ArchiveFiles, sizes: ReadonlyArray<number>): ArchiveFiles => {
  const prefix = ledgerPrefix(origin)
  const [size = 0] = sizes
  return new Map([...files].filter(([name]) => {
    const path = name.slice(prefix.length + 1)
    if (path.startsWith("checkpoint.d/")) return sizes.some((kept) => path === checkpointArchivePath(kept))
    const tile = parseTilePath(path)
    if (tile === null || tile.width === tileWidth) return true
    const hashes = tile.level === "entries" ? size : Math.floor(size / tileWidth ** tile.level)
    return tile.width === hashes - tile.index * tileWidth
  }))
}

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(() => assert.fail("should have been refused"), (error: unknown) => error)

const archive = anchoredArchive()
const { files } = archive
const size = archive.entries.length
const state = latestOnly(files, [size, size - 1])

describe("a ledger over HTTP", () => {
  it("gives the report of the directory it is served from", () =>
    withLedgerServer(files, async ({ requests, url }) => {
      const report = await overHttp(url)
      assert.deepStrictEqual(report, await fromFiles(state))
      assert.strictEqual(report.size, size)
      assert.deepStrictEqual(
        report.findings.filter(({ question }) => question === "integrity").map(({ code }) => code),
        ["OBJECTS_NOT_CHECKED"]
      )
      assert.strictEqual(report.verdict.integrity, "INCONCLUSIVE")
      // Everything fits the memory that it may use: nothing is asked for twice.
      assert.strictEqual(new Set(requests).size, requests.length)
      assert.isFalse(requests.some((path) => path.startsWith("logs/")))
    }))

  it("gives the same report when nothing may be kept, and says how far it is", () =>
    withLedgerServer(files, async ({ url }) => {
      const seen: Array<number> = []
      const onProgress = ({ entries, totalEntries }: { readonly entries: number; readonly totalEntries: number }) => {
        assert.strictEqual(totalEntries, size)
        seen.push(entries)
      }
      const report = await overHttp(url, { ...quick, keptBytes: 0, concurrency: 1, onProgress })
      assert.deepStrictEqual(report, await fromFiles(state))
      assert.deepStrictEqual(seen, [256, size])
    }))

  it("finds what is missing or changed as in a directory", async () => {
    const heartbeat = archive.entries.find(({ kind }) => kind === "heartbeat")?.object ?? ""
    const [genesis, params] = [archive.entries[0]?.object ?? "", archive.entries[2]]
    assert.isDefined(params)
    const cases: ReadonlyArray<readonly [string, ArchiveFiles]> = [
      ["TRUNCATED", without(state, key(entriesPath(0)))],
      ["TRUNCATED", without(state, key(entriesPath(1, size - 256)))],
      ["TILE_MISSING", without(state, key(tilePath(0, 0)))],
      ["TILE_MISSING", without(state, key(tilePath(1, 0, 1)))],
      ["TILE_MISMATCH", changed(state, key(tilePath(0, 0)), flip(40))],
      ["TILE_MISMATCH", changed(state, key(tilePath(0, 0)), (bytes) => bytes.slice(1))],
      ["MALFORMED_ENTRY", changed(state, key(entriesPath(0)), flip(0))],
      ["LEAF_NOT_IN_TREE", changed(state, key(entriesPath(0)), flip(4000))],
      ["UNAUTHORISED_DELETION", without(state, key(`event/${heartbeat}`))],
      ["OBJECT_HASH_MISMATCH", changed(state, key(`event/${genesis}`), flip(30))],
      ["CHECKPOINT_MISSING", without(state, key(checkpointArchivePath(size)))],
      ["ANCHOR_MISSING", without(state, key(`anchor/${size - 1}/second-bucket.json`))]
    ]
    for (const [code, broken] of cases) {
      const [http, directory] = await withLedgerServer(
        broken,
        async ({ url }) => [await overHttp(url), await fromFiles(broken)]
      )
      assert.include(http.findings.map((finding) => finding.code), code)
      assert.deepStrictEqual(http.verdict, directory.verdict, code)
      // What no bundle names cannot be known: of a directory, whose listing has it, it is noticed as unreferenced.
      if (code !== "TRUNCATED" && code !== "MALFORMED_ENTRY") assert.deepStrictEqual(http, directory, code)
    }
  })

  it("shows nothing of another origin", () =>
    withLedgerServer(files, async ({ url }) => {
      const reader = await openHttp(url, quick)
      assert.isNull(await reader.read(`${ledgerPrefix("other.example/t/0")}/checkpoint`))
      assert.isNull(await reader.read(key("../checkpoint")))
      assert.isNull(await reader.read(key("tile/0/x000/000")))
      assert.match(String(await rejection(reader.hash("logs/x"))), /without its objects/)
    }))
})

describe("a server that is busy or breaks off", () => {
  const recovers = async (interfere: Interference, reading: HttpReaderOptions = quick) =>
    withLedgerServer(files, async (server) => {
      server.interfere = interfere
      assert.deepStrictEqual(await overHttp(server.url, reading), await fromFiles(state))
    })
  const fails = (interfere: Interference, reading: HttpReaderOptions = {}) =>
    withLedgerServer(files, async (server) => {
      server.interfere = interfere
      const error = await rejection(overHttp(server.url, { ...quick, ...reading }))
      return { error, requests: server.requests }
    })

  it("is asked again after 429 and 503, however often that is within the attempts", async () => {
    await recovers(atFirst(2, (_, response) => {
      response.writeHead(503).end("busy")
      return true
    }))
    const { error, requests } = await fails((_, response) => {
      response.writeHead(429).end()
      return true
    }, { attempts: 3 })
    assert.instanceOf(error, HttpFetchError)
    assert.match(String(error), /429; tried 3 times. Check/)
    assert.lengthOf(requests, 3)
  })

  it("is given the time it asks for", async () => {
    const times: Array<number> = []
    await withLedgerServer(files, async (server) => {
      server.interfere = atFirst(1, (path, response) => {
        if (path !== "checkpoint") return false
        times.push(performance.now())
        response.writeHead(429, { "retry-after": "1" }).end()
        return true
      })
      await openHttp(server.url, quick)
      times.push(performance.now())
    })
    const [asked = 0, answered = 0] = times
    assert.isAtLeast(answered - asked, 990)
  })

  it("is asked again when the connection breaks before or within the body", async () => {
    await recovers(atFirst(1, (_, response) => {
      response.destroy()
      return true
    }))
    await recovers(atFirst(1, (path, response) => {
      const bytes = files.get(key(path)) ?? new Uint8Array(2)
      response.writeHead(200, { "content-length": bytes.length })
      response.write(bytes.slice(0, bytes.length / 2))
      setTimeout(() => response.destroy(), 5)
      return true
    }))
  })

  it("is asked again when a body is shorter than announced on a connection that stays well", async () => {
    const body = new Uint8Array(10)
    const cut = () => Promise.resolve(new Response(body, { headers: { "content-length": "20" } }))
    const error = await rejection(openHttp("http://127.0.0.1:1/ledger", { attempts: 2, backoffMs: 1, fetch: cut }))
    assert.match(String(error), /cut after 10 of 20 bytes; tried 2 times/)
  })

  it("is left when one attempt takes too long, and asked again", async () => {
    const slow: Interference = (_, response) => {
      response.writeHead(200, { "content-length": 1000 })
      response.write("x")
      return true
    }
    await recovers(atFirst(1, (path, ...rest) => path === "checkpoint" && slow(path, ...rest)), {
      ...quick,
      timeoutMs: 2000
    })
    const { error } = await fails(slow, { attempts: 1, timeoutMs: 50 })
    assert.match(String(error), /no complete answer within 50 ms; tried once/)
  })

  it("is not asked again about what will not change", async () => {
    const { error, requests } = await fails((_, response) => {
      response.writeHead(403).end()
      return true
    })
    assert.match(String(error), /403; the ledger is not open/)
    assert.lengthOf(requests, 1)
  })

  it("cannot fill the memory with a body, announced or not", async () => {
    const endless: Interference = (path, response) => {
      if (path !== "checkpoint") return false
      const chunk = Buffer.alloc(65_536)
      const more = () => {
        while (!response.destroyed && response.write(chunk));
      }
      response.writeHead(200).on("drain", more)
      more()
      return true
    }
    assert.match(String((await fails(endless)).error), /checkpoint: \d+ bytes, the limit is 1000000/)
    const announced: Interference = (path, response) => {
      if (path !== "checkpoint") return false
      response.writeHead(200, { "content-length": 1e12 })
      response.write("x")
      return true
    }
    assert.match(String((await fails(announced)).error), /checkpoint: 1000000000000 bytes, the limit is 1000000/)
    // Of a tile it is a finding, as in a directory.
    await withLedgerServer(files, async (server) => {
      server.interfere = (path, ...rest) => path === tilePath(0, 0) && endless("checkpoint", ...rest)
      const report = await overHttp(server.url)
      assert.include(report.findings.map(({ code }) => code), "TILE_MISMATCH")
      assert.strictEqual(report.verdict.integrity, "FAIL")
    })
  })

  it("may redirect within its origin, at most five times", async () => {
    const redirect = (location: string): Interference => (_, response) => {
      response.writeHead(302, { location }).end()
      return true
    }
    await withLedgerServer(files, async (server) => {
      server.interfere = (path, response, request) =>
        !path.startsWith("/moved/") && redirect(`/moved/${path}`)(path, response, request)
      const moved: ArchiveFiles = new Map()
      for (const [name, bytes] of files) {
        const prefix = ledgerPrefix(origin)
        moved.set(`${prefix}//moved/${name.slice(prefix.length + 1)}`, bytes)
      }
      server.files = moved
      assert.deepStrictEqual(await overHttp(server.url), await fromFiles(state))
    })
    const loop = await fails(redirect("/again"))
    assert.match(String(loop.error), /more than 5 redirects/)
    assert.lengthOf(loop.requests, 6)
  })

  it("may not redirect to another origin, which is never asked", async () => {
    let asked = 0
    const other = createServer((_, response) => {
      asked += 1
      response.end()
    })
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve))
    const { port } = other.address() as AddressInfo
    try {
      const { error } = await fails((_, response) => {
        response.writeHead(301, { location: `http://127.0.0.1:${port}/ledger/checkpoint` }).end()
        return true
      })
      assert.match(String(error), new RegExp(`another origin, http://127.0.0.1:${port}; if that`))
      assert.strictEqual(asked, 0)
    } finally {
      await new Promise((resolve) => other.close(resolve))
    }
  })
})

describe("a server that lies", () => {
  it("with a page for everything is no ledger", () =>
    withLedgerServer(files, async (server) => {
      server.interfere = (_, response) => {
        response.writeHead(200, { "content-type": "text/html" }).end("<html>welcome</html>")
        return true
      }
      assert.match(
        String(await rejection(openHttp(server.url, quick))),
        /is no checkpoint .*; give the URL of a ledger/
      )
    }))

  it("with a page for everything but the checkpoint proves nothing", () =>
    withLedgerServer(files, async (server) => {
      server.interfere = (path, response) => {
        if (path === "checkpoint") return false
        response.writeHead(200).end("<html>welcome</html>")
        return true
      }
      const report = await overHttp(server.url)
      assert.include(report.findings.map(({ code }) => code), "MALFORMED_ENTRY")
      assert.strictEqual(report.verdict.integrity, "FAIL")
    }))

  it("about its head between two reads is held to the head it showed first", () =>
    withLedgerServer(files, async (server) => {
      const reader = await openHttp(server.url, quick)
      const older = smallArchive().files.get(key("checkpoint")) ?? new Uint8Array()
      server.files = new Map(files).set(key("checkpoint"), older)
      const report = await verifyArchive(reader, options)
      assert.deepStrictEqual(report, await fromFiles(state))
      // And what it takes away with the rollback is missing.
      const rolledBack = without(server.files, key(entriesPath(1, size - 256)), key(tilePath(0, 1, size - 256)))
      await withLedgerServer(files, async (second) => {
        const again = await openHttp(second.url, quick)
        second.files = rolledBack
        const found = await verifyArchive(again, options)
        assert.includeMembers(found.findings.map(({ code }) => code), ["TRUNCATED"])
      })
    }))

  it("about the size of its tree is not followed without end", () =>
    withLedgerServer(files, async (server) => {
      const huge = archive.signRoot(2 ** 50, new Uint8Array(32)).served
      server.files = new Map(state).set(key("checkpoint"), huge)
      const report = await overHttp(server.url)
      assert.include(report.findings.map(({ code }) => code), "TRUNCATED")
      assert.isBelow(server.requests.length, 1000)
    }))
})

describe("a server that grows during the verification", () => {
  // The state after growth; of the partial tiles only those of the newest size are still served.
  const grown = (entries: number) => {
    const builder = archive.copy()
    for (let index = 0; index < entries; index++) {
      const time = start + 5 * hour + 240_000 + index
      builder.heartbeat(firstEpoch + 5 + index, { time })
    }
    builder.publish()
    return latestOnly(builder.files, [builder.entries.length, size, size - 1])
  }

  const growing = async (after: ArchiveFiles, when: (server: LedgerServer) => Promise<void>) =>
    withLedgerServer(state, async (server) => {
      const reader = await openHttp(server.url, { ...quick, keptBytes: 0 })
      server.files = after
      await when(server)
      return { report: await verifyArchive(reader, options), requests: server.requests }
    })

  it("verifies when a wider partial tile has replaced ours", async () => {
    const after = grown(3)
    assert.isFalse(after.has(key(tilePath(0, 1, size - 256))))
    const { report, requests } = await growing(after, () => Promise.resolve())
    assert.deepStrictEqual(report, await fromFiles(state))
    assert.include(requests, entriesPath(1, size - 256 + 3))
  })

  it("verifies when the full tile has replaced ours", async () => {
    const after = grown(512 - size + 5)
    assert.isFalse(after.has(key(entriesPath(1, size - 256))))
    const { report, requests } = await growing(after, () => Promise.resolve())
    assert.deepStrictEqual(report, await fromFiles(state))
    assert.include(requests, tilePath(0, 1))
  })

  it("does not believe a wider tile that begins otherwise", async () => {
    const after = grown(3)
    const { report } = await growing(
      changed(after, key(tilePath(0, 1, size - 256 + 3)), flip(3)),
      () => Promise.resolve()
    )
    assert.include(report.findings.map(({ code }) => code), "TILE_MISMATCH")
  })

  it("verifies when it grows again and again, at every request", () =>
    withLedgerServer(state, async (server) => {
      const states = [1, 2, 3, 4].map(grown)
      let at = 0
      server.interfere = (path) => {
        if (path.includes("checkpoint.d")) server.files = states[Math.min(at++, states.length - 1)] ?? files
        return false
      }
      const expected = await fromFiles(state)
      assert.deepStrictEqual(await overHttp(server.url, { ...quick, keptBytes: 0 }), expected)
    }))
})

describe("what is no URL of a ledger", () => {
  it("is refused before anything is sent", async () => {
    for (const url of ["ftp://a.example/", "http://", "https://user:secret@a.example/x", "https://a.example/?x=1"]) {
      const error = await rejection(openHttp(url, quick))
      assert.instanceOf(error, LedgerUrlError)
      assert.notInclude(String(error), "secret")
    }
  })

  it("is said when there is none", () =>
    withLedgerServer(new Map(), async ({ url }) => {
      const error = await rejection(openHttp(`${url}/`, quick))
      assert.instanceOf(error, LedgerNotServedError)
      assert.match(String(error), /RAINLOGS_PUBLIC_LEDGER=on/)
    }))

  it("is said when nobody listens there", async () => {
    const error = await rejection(openHttp("http://127.0.0.1:9/ledger", { backoffMs: 1, attempts: 2 }))
    assert.instanceOf(error, HttpFetchError)
    assert.match(String(error), /the connection failed .*; tried 2 times/)
  })
})
