import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Metric } from "effect"
import { randomBytes } from "node:crypto"
import { connect } from "node:net"
import { cloudflareToken, cloudflareZone, newArchivedJob, newZone, postZoneTwentyTimes } from "./Fixtures.ts"
import * as MemoryPorts from "./MemoryPorts.ts"
import { adminToken, MemoryState } from "./MemoryPorts.ts"
import * as Server from "./TestServer.ts"
import { newCustomer, TestServer } from "./TestServer.ts"

const Live = Server.layer.pipe(Layer.provideMerge(MemoryPorts.layer))

/** Sends bytes as they are and reads what comes back until the server closes or `until` appears. */
const raw = (url: string, text: string, until = "\r\n\r\n") =>
  Effect.callback<string>((resume) => {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname, () => socket.write(text))
    let answer = ""
    const done = () => {
      socket.destroy()
      resume(Effect.succeed(answer))
    }
    socket.setTimeout(5000, done)
    socket.on("data", (data) => {
      answer += data.toString()
      if (answer.includes(until)) done()
    })
    socket.on("error", done)
    socket.on("close", done)
    return Effect.sync(() => socket.destroy())
  })

layer(Live, { excludeTestServices: true })("requests over a socket", (it) => {
  it.effect("no key, a malformed one, an unknown one and a wrong secret get one and the same 401", () =>
    Effect.gen(function*() {
      const { request } = yield* TestServer
      const { key } = yield* newCustomer("Alice")
      const unknown = `rl_${randomBytes(8).toString("hex")}_${randomBytes(32).toString("hex")}`
      const wrong = key.slice(0, -1) + (key.endsWith("0") ? "1" : "0")
      const answers = yield* Effect.forEach(
        [
          {},
          { key: "" },
          { key: "nonsense" },
          { key: key.toUpperCase() },
          { key: `${key}0` },
          { key: key.slice(0, -1) },
          { key: unknown },
          { key: wrong },
          { headers: { authorization: `Basic ${Buffer.from(`${key}:`).toString("base64")}` } },
          { headers: { authorization: key } }
        ],
        (options) => request("GET", "/api/v1/zones", options)
      )
      for (const answer of answers) {
        assert.strictEqual(answer.status, 401)
        assert.strictEqual(answer.headers.get("www-authenticate"), "Bearer realm=\"rainlogs\"")
        assert.strictEqual(answer.headers.get("content-type"), "application/problem+json")
        assert.strictEqual(answer.text, answers[0]?.text)
      }
      assert.strictEqual((yield* request("GET", "/api/v1/zones", { key })).status, 200)
    }))

  it.effect("customers are created by the admin token only", () =>
    Effect.gen(function*() {
      const { request } = yield* TestServer
      const state = yield* MemoryState
      const before = state.customers.size
      for (const options of [{}, { key: `${adminToken}x` }, { key: adminToken.slice(1) }]) {
        const answer = yield* request("POST", "/customers", { ...options, body: { name: "Eve" } })
        assert.strictEqual(answer.status, 401)
        assert.strictEqual(JSON.parse(answer.text).type, "urn:rainlogs:problem:admin-unauthorised")
      }
      assert.strictEqual(state.customers.size, before)
      const answer = yield* request("POST", "/customers", { key: adminToken, body: { name: "Alice" } })
      assert.strictEqual(answer.status, 201)
    }))

  it.effect("a refused body is explained issue by issue, without repeating a value", () =>
    Effect.gen(function*() {
      const { request } = yield* TestServer
      const { key } = yield* newCustomer("Alice")
      const answer = yield* request("POST", "/api/v1/zones", {
        key,
        body: { name: " ", cloudflareZoneId: "SECRET-1", token: ["SECRET-2"], backfillHours: 1.5, extra: "SECRET-3" }
      })
      assert.strictEqual(answer.status, 400)
      assert.notInclude(answer.text, "SECRET")
      const problem: { errors: ReadonlyArray<{ path: ReadonlyArray<string> }>; remedy: string } = JSON.parse(
        answer.text
      )
      assert.sameDeepMembers(problem.errors.map(({ path }) => path), [
        ["payload", "extra"],
        ["payload", "name"],
        ["payload", "cloudflareZoneId"],
        ["payload", "token"],
        ["payload", "backfillHours"]
      ])
      assert.isNotEmpty(problem.remedy)

      const short = yield* request("POST", "/api/v1/zones", {
        key,
        body: { name: "x", cloudflareZoneId: cloudflareZone(1), token: "SECRET SECRET SECRET SECRET" }
      })
      assert.strictEqual(short.status, 400)
      assert.notInclude(short.text, "SECRET")
    }))

  it.effect("malformed JSON, another content type, an empty body and unknown parameters are 4xx problems", () =>
    Effect.gen(function*() {
      const { request } = yield* TestServer
      const { key } = yield* newCustomer("Alice")
      const zone = yield* newZone(key)
      const types = yield* Effect.forEach(
        [
          request("POST", "/api/v1/zones", { key, body: "{\"name\":" }),
          request("POST", "/api/v1/zones", { key, body: "name=x", headers: { "content-type": "text/plain" } }),
          request("POST", "/api/v1/zones", { key }),
          request("GET", `/api/v1/zones/${zone}/logs?limt=5`, { key }),
          request("GET", `/api/v1/zones/${zone}/logs?limit=1001`, { key }),
          request("GET", `/api/v1/zones/${zone}/logs?limit=5&limit=6`, { key }),
          request("GET", `/api/v1/zones/${zone}/logs?before=-1`, { key }),
          request("GET", "/api/v1/zones/%00", { key }),
          request("GET", "/api/v1/nothing", { key }),
          request("DELETE", `/api/v1/zones/${zone}`, { key })
        ],
        Effect.map((answer) => {
          assert.strictEqual(answer.headers.get("content-type"), "application/problem+json")
          const problem: { status: number; type: string; detail: string; remedy: string } = JSON.parse(answer.text)
          assert.strictEqual(problem.status, answer.status)
          assert.isNotEmpty(problem.detail)
          assert.isNotEmpty(problem.remedy)
          return `${answer.status} ${problem.type.replace("urn:rainlogs:problem:", "")}`
        })
      )
      assert.deepStrictEqual(types, [
        "400 invalid-request",
        "415 unsupported-media-type",
        "400 invalid-request",
        "400 invalid-request",
        "400 invalid-request",
        "400 invalid-request",
        "400 invalid-request",
        "400 invalid-request",
        "404 route-not-found",
        "404 route-not-found"
      ])
    }))

  it.effect(
    "a body over 64 KiB is refused: a declared one before it is sent, a chunked one while it is read",
    () =>
      Effect.gen(function*() {
        const { request, url } = yield* TestServer
        const { key } = yield* newCustomer("Alice")
        const declared = yield* request("POST", "/api/v1/zones", { key, body: JSON.stringify("x".repeat(65_535)) })
        assert.strictEqual(declared.status, 413)
        assert.strictEqual(JSON.parse(declared.text).limitBytes, 65_536)
        const fits = yield* request("POST", "/api/v1/zones", { key, body: JSON.stringify("x".repeat(65_534)) })
        assert.strictEqual(fits.status, 400)

        const head = (extra: string) =>
          `POST /api/v1/zones HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n${extra}\r\n\r\n`
        const promised = yield* raw(url, head("Content-Length: 9000000000"))
        assert.match(promised, /^HTTP\/1\.1 413 /)
        const chunk = `8000\r\n${"x".repeat(0x8000)}\r\n`
        const chunked = yield* raw(url, `${head("Transfer-Encoding: chunked")}${chunk}${chunk}${chunk}`)
        assert.match(chunked, /^HTTP\/1\.1 413 /)
      }),
    30_000
  )

  it.effect("a zone posted 20 times at once is created once", () =>
    Effect.gen(function*() {
      const { request } = yield* TestServer
      const { key } = yield* newCustomer("Alice")
      assert.deepStrictEqual(yield* postZoneTwentyTimes(key), [1, 19])
      const { zones } = JSON.parse((yield* request("GET", "/api/v1/zones", { key })).text)
      assert.strictEqual(zones.length, 1)
    }))

  it.effect("every answer forbids sniffing, framing and caching", () =>
    Effect.gen(function*() {
      const { request } = yield* TestServer
      const { customer, key } = yield* Effect.map(newCustomer("Alice"), ({ id, key }) => ({ customer: id, key }))
      const zone = yield* newZone(key)
      const { job } = yield* newArchivedJob({ zone, customer }, [Buffer.from("{}\n")])
      for (
        const path of [
          "/health",
          "/nothing",
          "/openapi.json",
          "/docs",
          "/metrics",
          "/api/v1/zones",
          `/api/v1/logs/jobs/${job.id}/download`
        ]
      ) {
        const { headers } = yield* request("GET", path, { key })
        assert.strictEqual(headers.get("x-content-type-options"), "nosniff", path)
        assert.strictEqual(headers.get("cache-control"), "no-store", path)
        assert.match(headers.get("content-security-policy") ?? "", /default-src 'none'.*frame-ancestors 'none'/, path)
      }
    }))

  it.effect("metrics are for this machine, or for the admin token", () =>
    Effect.gen(function*() {
      const { request } = yield* TestServer
      yield* Metric.update(Metric.counter("test_requests_total", { description: "Counts for this test." }), 3)
      const metrics = yield* request("GET", "/metrics")
      assert.strictEqual(metrics.status, 200)
      assert.include(metrics.text, "\ntest_requests_total 3\n")
      for (const name of ["x-forwarded-for", "forwarded", "via", "x-real-ip"]) {
        const proxied = { [name]: "for=192.0.2.1" }
        assert.strictEqual((yield* request("GET", "/metrics", { headers: proxied })).status, 401, name)
        assert.strictEqual((yield* request("GET", "/metrics", { headers: proxied, key: "wrong" })).status, 401)
        assert.strictEqual((yield* request("GET", "/metrics", { headers: proxied, key: adminToken })).status, 200)
      }
    }))

  it.effect("the API reference is one page that needs no network", () =>
    Effect.gen(function*() {
      const { request } = yield* TestServer
      const page = yield* request("GET", "/docs")
      assert.strictEqual(page.status, 200)
      assert.match(page.headers.get("content-type") ?? "", /^text\/html/)
      assert.include(page.text, "createApiReference")
      assert.notMatch(page.text, /<script[^>]+src=/)
    }))

  it.effect(
    "a database that is down or silent is a 503 problem, and health says so within its deadline",
    () =>
      Effect.gen(function*() {
        const { request } = yield* TestServer
        const state = yield* MemoryState
        const { key } = yield* newCustomer("Alice")
        state.database = "down"
        const refused = yield* request("GET", "/api/v1/zones", { key })
        assert.strictEqual(refused.status, 503)
        assert.strictEqual(JSON.parse(refused.text).type, "urn:rainlogs:problem:database-unavailable")
        assert.notInclude(refused.text, "connection refused")
        state.database = "hangs"
        // What was counted a moment ago is still shown for a second.
        yield* Effect.sleep("1100 millis")
        const before = performance.now()
        const health = yield* request("GET", "/health")
        assert.strictEqual(health.status, 503)
        assert.isBelow(performance.now() - before, 3000)
        state.database = "up"
        yield* Effect.sleep("1100 millis")
        assert.strictEqual((yield* request("GET", "/health")).status, 200)
      }),
    30_000
  )

  it.effect("a fault of ours is a 500 that tells only where to find its cause in the log", () =>
    Effect.gen(function*() {
      const { log, request } = yield* TestServer
      const state = yield* MemoryState
      const { key } = yield* newCustomer("Alice")
      const zones = state.zones
      Object.defineProperty(state, "zones", { value: null, configurable: true, writable: true })
      const answer = yield* request("GET", "/api/v1/zones", { key })
      Object.defineProperty(state, "zones", { value: zones, configurable: true, writable: true })
      assert.strictEqual(answer.status, 500)
      const problem: { instance: string; type: string } = JSON.parse(answer.text)
      assert.strictEqual(problem.type, "urn:rainlogs:problem:internal-fault")
      assert.match(problem.instance, /^urn:uuid:/)
      assert.notMatch(answer.text, /TypeError|null|\.ts/)
      assert.isTrue(log.some((line) => line.includes(problem.instance) && line.includes("TypeError")))
    }))

  it.effect("no API key, token or admin token is in any answer but the one, or in the log", () =>
    Effect.gen(function*() {
      const { answers, log, request } = yield* TestServer
      const { answer, key } = yield* newCustomer("Alice")
      assert.include(answer.text, key)
      const zone = yield* newZone(key, 99)
      const token = cloudflareToken
      // Every way a token may come in, well and badly.
      for (
        const body of [
          { name: "x", cloudflareZoneId: cloudflareZone(99), token },
          { name: "", cloudflareZoneId: cloudflareZone(98), token },
          { name: "x", cloudflareZoneId: token, token: [token] },
          { name: "x", cloudflareZoneId: cloudflareZone(97), token, extra: token },
          `{"token":"${token}"`
        ]
      ) {
        yield* request("POST", "/api/v1/zones", { key, body })
      }
      yield* request("GET", `/api/v1/zones/${zone}`, { key })
      yield* request("GET", "/api/v1/zones", { key: `${key}x` })
      yield* request("POST", "/customers", { key, body: { name: "x" } })
      yield* request("GET", `/api/v1/zones/${zone}/logs?before=${key}`, { key })
      const secret = key.split("_")[2]
      assert.isDefined(secret)
      const others = answers.filter((text) => !text.includes(answer.text))
      assert.strictEqual(others.length, answers.length - 1)
      // The logger of requests shows the URL, so a key put into one by mistake would be there.
      const logged = log.filter((line) => !line.includes("?before="))
      for (const text of [...others, ...logged]) {
        assert.notInclude(text, secret)
        assert.notInclude(text, token)
        assert.notInclude(text, adminToken)
      }
      assert.isAbove(logged.length, 0)
    }))
})
