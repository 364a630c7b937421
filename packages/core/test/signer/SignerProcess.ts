/**
 * `rainlogs signer` as a process for tests, and a go-between on the socket's way that loses or changes answers.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Context, Effect, Layer, type Redacted } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import * as http from "node:http"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Signer } from "../../src/ledger/Signer.ts"
import * as SignerRemote from "../../src/ledger/SignerRemote.ts"
import { parseSignerToken } from "../../src/signer/SignerToken.ts"

const root = fileURLToPath(new URL("../../../../", import.meta.url))

/** A running signer process. */
export interface SignerProcess {
  readonly child: ChildProcess
  readonly socket: string
  readonly token: Redacted.Redacted<string>
}

/** Starts the command; rejects with what it said if it ends. */
export const startSigner = (directory: string, socket = join(directory, "signer.sock")) =>
  new Promise<SignerProcess>((resolve, reject) => {
    const argv = ["signer", "--data", directory, "--listen", `unix:${socket}`]
    const child = spawn(join(root, "node_modules/.bin/node"), [join(root, "appliance/src/main.ts"), ...argv])
    let said = ""
    const hear = (chunk: unknown) => {
      said += String(chunk)
      if (!/^listening /m.test(said)) return
      const token = parseSignerToken(readFileSync(join(directory, "request.token"), "utf8"), "the file")
      resolve({ child, socket, token })
    }
    child.stdout.on("data", hear)
    child.stderr.on("data", hear)
    child.once("exit", (code) => reject(new Error(`the signer ended with ${code}: ${said}`)))
  })

/** Ends the process with the signal; answers its exit code. */
export const stopSigner = ({ child }: SignerProcess, signal: NodeJS.Signals = "SIGKILL") =>
  new Promise<number | null>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return void resolve(child.exitCode)
    child.once("exit", (code) => resolve(code))
    child.kill(signal)
  })

/** A signer process for the time of a scope. */
export const signerProcess = (directory: string) =>
  Effect.acquireRelease(
    Effect.promise(() => startSigner(directory)),
    (running) => Effect.promise(() => stopSigner(running))
  )

const clientOn = (socketPath: string) => {
  const agent = { keepAlive: true, socketPath }
  return Layer.fresh(NodeHttpClient.layerNodeHttpOptions(agent))
}

/** The adapter on a socket, as a layer. */
export const remoteLayer = (socket: string, token: Redacted.Redacted<string>, timeoutMs = 10_000) =>
  SignerRemote.layer({ url: "http://localhost", name: "the test's signer", token, timeoutMs }).pipe(
    Layer.provide(clientOn(socket))
  )

/** The adapter on a socket. */
export const remoteSigner = (socket: string, token: Redacted.Redacted<string>, timeoutMs = 10_000) =>
  Effect.map(Layer.build(remoteLayer(socket, token, timeoutMs)), (context) => Context.get(context, Signer))

/** One request as bytes. */
export interface RawRequest {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
}

/** Sends it through the socket; answers status and text. */
export const send = (socketPath: string, { body = "", headers = {}, method = "POST", path }: RawRequest) =>
  new Promise<{ readonly status: number; readonly type: string; readonly body: string }>((resolve, reject) => {
    const length = Buffer.byteLength(body)
    const request = http.request(
      { socketPath, path, method, headers: { "content-length": String(length), ...headers } },
      (response) => {
        const parts: Array<Buffer> = []
        response.on("data", (part: Buffer) => parts.push(part))
        response.on("error", reject)
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            type: response.headers["content-type"] ?? "",
            body: Buffer.concat(parts).toString()
          }))
      }
    )
    request.on("error", reject)
    request.end(body)
  })

type Answer = Awaited<ReturnType<typeof send>>

/** What the go-between does with an answer: passes it, another one, or (null) hangs up. */
export type Between = (path: string, answer: Answer) => Promise<Answer | null>

/** A go-between that listens on `socket` and asks the signer on `target()`; `between` decides what is passed on. */
export const goBetween = (socket: string, target: () => string, between: Between) =>
  Effect.acquireRelease(
    Effect.promise(() =>
      new Promise<http.Server>((resolve) => {
        const server = http.createServer((request, response) => {
          const pass = async () => {
            const parts: Array<Buffer> = []
            for await (const part of request) if (part instanceof Buffer) parts.push(part)
            const path = request.url ?? "/"
            const answer = await send(target(), {
              method: request.method ?? "GET",
              path,
              headers: { authorization: request.headers.authorization ?? "" },
              body: Buffer.concat(parts)
            })
            const passed = await between(path, answer)
            if (passed === null) {
              response.destroy()
              return
            }
            response.writeHead(passed.status, { "content-type": passed.type })
            response.end(passed.body)
          }
          pass().catch(() => response.destroy())
        })
        server.listen(socket, () => resolve(server))
      })
    ),
    (server) =>
      Effect.promise(() =>
        new Promise<void>((resolve) => {
          server.close(() => resolve())
          server.closeAllConnections()
        })
      )
  )
