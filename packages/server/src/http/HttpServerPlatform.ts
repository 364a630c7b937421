/**
 * Chooses the HTTP server of the running runtime. The import is dynamic, so neither adapter loads in the other runtime.
 */
import { Effect, Layer } from "effect"
import type { HttpServer, HttpServerError } from "effect/http"

/** Where to listen and how to stop. */
export interface HttpServerOptions {
  /** An IP address or a host name, which is resolved once. */
  readonly hostname: string
  /** 0 chooses a free port; the server's `address` tells which. */
  readonly port: number
  /** Milliseconds that requests in flight have at shutdown. */
  readonly gracefulTimeout: number
}

const defaultGracefulTimeout = 10_000

/** The HTTP server for Bun or Node. */
export const layer = (
  options: Omit<HttpServerOptions, "gracefulTimeout"> & Partial<HttpServerOptions>
): Layer.Layer<HttpServer.HttpServer, HttpServerError.ServeError> => {
  const complete = { gracefulTimeout: defaultGracefulTimeout, ...options }
  return Layer.unwrap(
    Effect.promise(() => "Bun" in globalThis ? import("./HttpServerBun.ts") : import("./HttpServerNode.ts")).pipe(
      Effect.map((adapter) => adapter.layer(complete))
    )
  )
}
