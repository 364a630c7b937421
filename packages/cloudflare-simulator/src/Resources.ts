/**
 * What a simulated zone serves: pages, static files, an API and the paths scanners probe, most popular first within each kind.
 */
import { type JsonFields, jsonFields } from "./JsonText.ts"
import { otelAllFields, otelDefaultFieldsUnixNano } from "./samples/HttpRequests.ts"
import { Draws } from "./Seed.ts"

/** How a resource behaves at the edge: cached file, page of the shop, API call, or something only a scanner asks for. */
export type ResourceKind = "static" | "page" | "api" | "probe"

/** One resource: its shared JSON fields, its kind, and the usual size of its body in bytes. */
export interface Resource {
  readonly fields: JsonFields
  readonly kind: ResourceKind
  readonly bodyBytes: number
}

const stringIn = (line: string | undefined, name: string): string => {
  const record: unknown = JSON.parse(line ?? "{}")
  const value = typeof record === "object" && record !== null ? Reflect.get(record, name) : undefined
  if (typeof value !== "string") throw new TypeError(`the sample line has no string field ${name}`)
  return value
}

// The most requested page and file are those of the real sample lines.
const samplePage = stringIn(otelAllFields[0], "ClientRequestURI")
const sampleFile = stringIn(otelDefaultFieldsUnixNano[0], "ClientRequestURI")

const probes = [
  "/.env",
  "/wp-login.php",
  "/.git/config",
  "/xmlrpc.php",
  "/phpmyadmin/index.php",
  "/actuator/health",
  "/cgi-bin/luci",
  "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php"
]
const apis = [
  "/api/v1/cart",
  "/api/v1/session",
  "/api/checkout",
  "/api/v1/search",
  "/api/v1/prices",
  "/graphql",
  "/api/v1/reviews",
  "/api/v1/stock"
]
const words = [
  "burrito",
  "salsa",
  "hot-sauce",
  "gift-card",
  "menu",
  "news",
  "about",
  "careers",
  "stores",
  "help",
  "account",
  "orders"
]
const fileTypes: ReadonlyArray<readonly [string, string, number]> = [
  ["png", "image/png", 69045],
  ["webp", "image/webp", 24310],
  ["js", "application/javascript", 88120],
  ["css", "text/css", 17204],
  ["woff2", "font/woff2", 31876],
  ["svg", "image/svg+xml", 2160]
]

/** How many different resources a zone has. */
export const RESOURCE_COUNT = 2048

const kindOf = (rank: number): ResourceKind => {
  const step = rank % 16
  return step < 8 ? "static" : step < 12 ? "page" : step < 15 ? "api" : "probe"
}

/** The resources of a zone named `zoneName`, most requested first. */
export const makeResources = (seed: number, zoneName: string): ReadonlyArray<Resource> => {
  const draws = new Draws(seed)
  return Array.from({ length: RESOURCE_COUNT }, (_, rank): Resource => {
    const kind = kindOf(rank)
    const [path, contentType, bodyBytes] = locationOf(kind, rank, draws)
    const host = kind === "api"
      ? `api.${zoneName}`
      : kind === "static" && rank % 3 === 0
      ? `static.${zoneName}`
      : `www.${zoneName}`
    const method = kind === "api"
      ? draws.pick(["GET", "POST", "POST", "PUT", "OPTIONS"])
      : kind === "page" && rank % 29 === 0
      ? "HEAD"
      : "GET"
    const query = kind === "static"
      ? (rank % 2 === 0 ? "" : `?v=${draws.hex(8)}`)
      : kind === "page" && rank % 5 === 0
      ? `?utm_source=newsletter&utm_campaign=${draws.pick(words)}&page=${1 + draws.below(40)}`
      : ""
    return {
      kind,
      bodyBytes,
      fields: jsonFields({
        ClientRequestHost: host,
        EdgeRequestHost: host,
        ClientRequestMethod: method,
        ClientRequestPath: path,
        ClientRequestURI: path + query,
        ClientRequestScheme: "https",
        ClientRequestReferer: kind === "static" || draws.below(3) === 0 ? `https://www.${zoneName}/` : "",
        EdgeResponseContentType: contentType,
        EdgeResponseCompressionRatio: contentType.startsWith("text/") || kind === "api"
          ? 2 + draws.below(400) / 100
          : 0,
        OriginResponseHTTPExpires: kind === "static" ? "Thu, 31 Dec 2026 23:55:55 GMT" : "",
        OriginResponseHTTPLastModified: kind === "static" ? "Mon, 02 Mar 2026 08:15:00 GMT" : "",
        ResponseHeaders: kind === "page" ? { "x-frame-options": "DENY" } : {},
        ZoneName: zoneName
      })
    }
  })
}

const locationOf = (
  kind: ResourceKind,
  rank: number,
  draws: Draws
): readonly [path: string, contentType: string, bodyBytes: number] => {
  switch (kind) {
    case "static": {
      if (rank === 0) return [sampleFile, "image/png", 69045]
      const [extension, contentType, size] = draws.pick(fileTypes)
      return [`/static/${draws.pick(words)}/${draws.hex(6)}.${extension}`, contentType, 400 + draws.below(size * 2)]
    }
    case "page": {
      if (rank === 8) return ["/", "text/html", 21875]
      if (rank === 9) return [samplePage, "text/html", 1963]
      const shape = draws.below(3)
      const path = shape === 0
        ? `/${draws.pick(words)}`
        : shape === 1
        ? `/product/${draws.hex(10).toUpperCase()}`
        : `/${draws.pick(words)}/${draws.pick(words)}-${draws.below(9999)}`
      return [path, "text/html", 2000 + draws.below(60000)]
    }
    case "api":
      return [
        draws.pick(apis) + (draws.below(2) === 0 ? "" : `/${draws.below(100000)}`),
        "application/json",
        40 + draws.below(6000)
      ]
    case "probe":
      return [draws.pick(probes), "text/html", 548]
  }
}
