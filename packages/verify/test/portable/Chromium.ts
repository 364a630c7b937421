/**
 * Drives a headless Chromium over the DevTools protocol. Debian's `chromium` is installed with apt if it is missing and
 * this is the superuser.
 */
import { execFileSync, spawn } from "node:child_process"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const candidates = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]

const program = (): string => {
  const found = () => candidates.find((path) => existsSync(path))
  const there = found()
  if (there !== undefined) return there
  execFileSync("apt-get", ["install", "-y", "-qq", "chromium"], { stdio: "ignore", timeout: 300_000 })
  const installed = found()
  if (installed === undefined) {
    throw new Error("no Chromium: install Debian's package chromium (apt-get install chromium)")
  }
  return installed
}

/** A page of a running browser. */
export interface BrowserPage {
  /** Sends a command of the DevTools protocol to the page. */
  readonly send: (method: string, params?: object) => Promise<Record<string, unknown>>
  /** The value of an expression in the page, a promise's when it is one. */
  readonly evaluate: (expression: string) => Promise<unknown>
  /** URLs that the page has asked for. */
  readonly requests: ReadonlyArray<string>
}

/** Opens `url` in a browser of its own and closes it when `use` is done. */
export const withPage = async <Value>(url: string, use: (page: BrowserPage) => Promise<Value>): Promise<Value> => {
  const profile = mkdtempSync(join(tmpdir(), "rainlogs-chromium-"))
  const browser = spawn(program(), [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--remote-debugging-port=0",
    `--user-data-dir=${profile}`,
    "about:blank"
  ], {
    stdio: ["ignore", "ignore", "pipe"],
    // It is killed at the end: what it leaves behind goes with the profile.
    env: { ...process.env, TMPDIR: profile }
  })
  const ended = new Promise<void>((resolve) => browser.once("exit", () => resolve()))
  try {
    const port = await new Promise<string>((resolve, reject) => {
      let said = ""
      browser.once("exit", (code) => reject(new Error(`Chromium ended with ${code}: ${said}`)))
      browser.once("error", reject)
      browser.stderr.on("data", (chunk) => {
        said += String(chunk)
        const found = /DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)\//.exec(said)?.[1]
        if (found !== undefined) resolve(found)
      })
    })
    const targets = await (await fetch(`http://127.0.0.1:${port}/json/list`)).json() as ReadonlyArray<
      { readonly type: string; readonly webSocketDebuggerUrl: string }
    >
    const target = targets.find(({ type }) => type === "page")
    if (target === undefined) throw new Error("Chromium has no page")
    return await use(await connect(target.webSocketDebuggerUrl, url))
  } finally {
    browser.kill("SIGKILL")
    await ended
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  }
}

const connect = async (address: string, url: string): Promise<BrowserPage> => {
  const socket = new WebSocket(address)
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve)
    socket.addEventListener("error", reject)
  })
  const waiting = new Map<
    number,
    { resolve: (value: Record<string, unknown>) => void; reject: (error: Error) => void }
  >()
  const requests: Array<string> = []
  let [last, loaded] = [0, () => {}]
  const load = new Promise<void>((resolve) => (loaded = resolve))
  socket.addEventListener("message", ({ data }) => {
    const message = JSON.parse(String(data)) as {
      readonly id?: number
      readonly result?: Record<string, unknown>
      readonly error?: { readonly message: string }
      readonly method?: string
      readonly params?: { readonly request?: { readonly url: string } }
    }
    if (message.method === "Page.loadEventFired") loaded()
    if (message.method === "Network.requestWillBeSent") requests.push(message.params?.request?.url ?? "")
    const waiter = message.id === undefined ? undefined : waiting.get(message.id)
    if (waiter === undefined || message.id === undefined) return
    waiting.delete(message.id)
    if (message.error === undefined) waiter.resolve(message.result ?? {})
    else waiter.reject(new Error(message.error.message))
  })
  const send = (method: string, params: object = {}) =>
    new Promise<Record<string, unknown>>((resolve, reject) => {
      const id = (last += 1)
      waiting.set(id, { resolve, reject })
      socket.send(JSON.stringify({ id, method, params }))
    })
  const evaluate = async (expression: string): Promise<unknown> => {
    const { exceptionDetails, result } = await send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true
    }) as { readonly exceptionDetails?: object; readonly result: { readonly value?: unknown } }
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails))
    return result.value
  }
  await send("Page.enable")
  await send("Network.enable")
  await send("Page.navigate", { url })
  await load
  return { send, evaluate, requests }
}
