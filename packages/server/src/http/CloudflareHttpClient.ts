/**
 * The HTTP client for Cloudflare's API: `node:http`, which leaves bodies compressed and reports every cut under Node,
 * Bun and the compiled binary alike. `fetch` does not fit (both runtimes decompress by themselves, and Node's lets a cut
 * gzip stream pass), nor does undici (Bun replaces it by an incomplete one).
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type { Layer } from "effect"
import type { HttpClient } from "effect/http"

/**
 * Keeps connections alive, verifies certificates, follows no redirect (a redirect must not carry the
 * `Authorization` header elsewhere), and closes a connection when the scope of its response closes.
 */
export const layer: Layer.Layer<HttpClient.HttpClient> = NodeHttpClient.layerNodeHttpOptions({
  keepAlive: true,
  // Responses may take 10 min each; beyond this many to one host, requests wait.
  maxSockets: 64,
  rejectUnauthorized: true
})
