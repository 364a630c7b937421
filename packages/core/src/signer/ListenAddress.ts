/**
 * Where the signer process listens: `unix:/path`, a socket that only its user and group may open, or `host:port`.
 */
import * as fs from "node:fs/promises"
import { connect, isIP, type Server } from "node:net"
import { isErrno } from "../storage/FileFailure.ts"

/** A parsed address. */
export type ListenAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }

// What fits into a socket address of Linux; macOS takes 103.
const longestPathBytes = 103

/** Reads the text of `--listen`; throws an error that says what is wrong. */
export const parseListenAddress = (text: string): ListenAddress => {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length)
    if (!path.startsWith("/")) throw new Error(`--listen ${text}: the path of a socket is absolute, unix:/run/…`)
    if (Buffer.byteLength(path) > longestPathBytes) {
      throw new Error(`--listen ${text}: the path of a socket has at most ${longestPathBytes} bytes`)
    }
    return { kind: "unix", path }
  }
  const [, bracketed, plain, digits = ""] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]/]+)):(\d{1,5})$/i.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  if (host === undefined || port > 65_535) {
    throw new Error(`--listen ${text}: expected unix:/path/of/socket, or host:port such as 127.0.0.1:8091`)
  }
  return { kind: "tcp", host, port }
}

/** Whether the host is this machine itself, so that nobody can listen in between. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."))

const isAnswering = (path: string): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once("connect", () => {
      socket.destroy()
      resolve(true)
    })
    socket.once("error", (error) => isErrno(error, "ECONNREFUSED") ? resolve(false) : reject(error))
  })

// A process that was killed leaves its socket behind; nothing else at that place is ever removed.
const removeStale = async (path: string): Promise<void> => {
  const found = await fs.lstat(path).catch((error: unknown) => {
    if (isErrno(error, "ENOENT")) return null
    throw error
  })
  if (found === null) return
  if (!found.isSocket()) throw new Error(`${path} exists and is not a socket; choose another path with --listen`)
  if (await isAnswering(path)) {
    throw new Error(`${path} is in use by another process; choose another path with --listen`)
  }
  await fs.rm(path, { force: true })
}

/** Listens; answers the address as a client writes it. */
export const listen = async (server: Server, address: ListenAddress, scheme: "http" | "https"): Promise<string> => {
  if (address.kind === "unix") await removeStale(address.path)
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.once("listening", resolve)
    if (address.kind === "tcp") {
      server.listen(address.port, address.host)
      return
    }
    // The socket is made within `listen`, so it is never open to others, not even for a moment.
    const before = process.umask(0o117)
    try {
      server.listen(address.path)
    } finally {
      process.umask(before)
    }
  })
  if (address.kind === "unix") return `unix:${address.path}`
  const bound = server.address()
  const port = typeof bound === "object" && bound !== null ? bound.port : address.port
  return `${scheme}://${address.host.includes(":") ? `[${address.host}]` : address.host}:${port}`
}
