/**
 * The programs that visit a simulated zone: browsers, verified crawlers, scripts and scanners, with the TLS fingerprints and bot
 * signals that go with each.
 */
import { type JsonFields, jsonFields } from "./JsonText.ts"
import { Draws } from "./Seed.ts"

type Kind = "browser" | "crawler" | "script"

interface Program {
  readonly userAgent: string
  readonly device: string
  readonly kind: Kind
  readonly category: string
  readonly weight: number
}

const browsers = (): ReadonlyArray<Program> => {
  const systems: ReadonlyArray<readonly [string, string, number]> = [
    ["Windows NT 10.0; Win64; x64", "desktop", 30],
    ["Macintosh; Intel Mac OS X 10_15_7", "desktop", 14],
    ["X11; Linux x86_64", "desktop", 4],
    ["Linux; Android 10; K", "mobile", 34]
  ]
  const chrome = [138, 139, 140, 141, 142].flatMap((version) =>
    systems.map(([system, device, weight]): Program => ({
      userAgent: `Mozilla/5.0 (${system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${version}.0.0.0 ${
        device === "mobile" ? "Mobile " : ""
      }Safari/537.36`,
      device,
      kind: "browser",
      category: "",
      weight: weight * (version - 136)
    }))
  )
  const safari = ["17.6", "18.5", "18.6", "26.0"].map((version): Program => ({
    userAgent: `Mozilla/5.0 (iPhone; CPU iPhone OS ${
      version.replace(".", "_")
    } like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/${version} Mobile/15E148 Safari/604.1`,
    device: "mobile",
    kind: "browser",
    category: "",
    weight: 60
  }))
  const firefox = [128, 140, 143, 144].map((version): Program => ({
    userAgent: `Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:${version}.0) Gecko/20100101 Firefox/${version}.0`,
    device: "desktop",
    kind: "browser",
    category: "",
    weight: 20
  }))
  return [...chrome, ...safari, ...firefox]
}

const program = (userAgent: string, kind: Kind, category: string, weight: number): Program => ({
  userAgent,
  device: kind === "browser" ? "desktop" : "desktop",
  kind,
  category,
  weight
})

const programs: ReadonlyArray<Program> = [
  ...browsers(),
  program(
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "crawler",
    "Search Engine Crawler",
    50
  ),
  program(
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "crawler",
    "Search Engine Crawler",
    25
  ),
  program(
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "crawler",
    "AI Crawler",
    20
  ),
  program(
    "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
    "crawler",
    "Monitoring & Analytics",
    12
  ),
  program("curl/8.14.1", "script", "", 10),
  program("curl/7.85.0", "script", "", 4),
  program("python-requests/2.32.4", "script", "", 16),
  program("Go-http-client/2.0", "script", "", 12),
  program("okhttp/4.12.0", "script", "", 20),
  program("", "script", "", 6),
  program("Mozilla/5.0 zgrab/0.x", "script", "", 5)
]

/** A kind of visitor program: its shared JSON fields, how often it comes, and the bot score it centres on (1 bot – 99 human). */
export interface Device {
  readonly fields: JsonFields
  readonly weight: number
  readonly botScore: number
}

const signalsOf = (kind: Kind, draws: Draws): Readonly<Record<string, number>> => {
  // Bot Management fills the signals for part of the traffic only; elsewhere the object is empty.
  if (kind !== "browser" || draws.below(4) > 0) return {}
  const ratio = (): number => Math.round(draws.unit() * 10000) / 10000
  return {
    h2h3_ratio_1h: ratio(),
    heuristic_ratio_1h: ratio(),
    reqs_quantile_1h: ratio(),
    uas_rank_1h: 1 + draws.below(5000),
    browser_ratio_1h: ratio(),
    paths_rank_1h: 1 + draws.below(5000),
    reqs_rank_1h: 1 + draws.below(5000),
    cache_ratio_1h: ratio(),
    ips_rank_1h: 1 + draws.below(5000),
    ips_quantile_1h: ratio()
  }
}

/** The visitor programs of a zone: each program in several TLS and protocol variants. */
export const makeDevices = (seed: number): ReadonlyArray<Device> => {
  const draws = new Draws(seed)
  return programs.flatMap((one) =>
    [0, 1, 2, 3].map((variant): Device => {
      const modern = one.kind !== "script" || variant < 2
      const protocol = one.kind === "script"
        ? "HTTP/1.1"
        : variant === 0
        ? "HTTP/3"
        : variant === 3
        ? "HTTP/1.1"
        : "HTTP/2"
      const tls = one.kind === "script" && variant === 3 ? "none" : modern ? "TLSv1.3" : "TLSv1.2"
      const languages = ["de-DE,de;q=0.9", "it-IT,it;q=0.8,en;q=0.5", "en-US,en;q=0.9", "fr-FR,fr;q=0.9,en;q=0.5"]
      return {
        weight: one.weight,
        botScore: one.kind === "browser" ? 90 : one.kind === "crawler" ? 30 : 4,
        fields: jsonFields({
          ClientRequestUserAgent: one.userAgent,
          ClientDeviceType: one.device,
          ClientRequestProtocol: protocol,
          ClientSSLProtocol: tls,
          ClientSSLCipher: tls === "none"
            ? "NONE"
            : tls === "TLSv1.3"
            ? "AEAD-AES128-GCM-SHA256"
            : "ECDHE-ECDSA-AES128-GCM-SHA256",
          ClientTLSKeyExchangeGroup: tls === "none" ? "NONE" : tls === "TLSv1.3" ? "X25519MLKEM768" : "P-256",
          ClientXRequestedWith: one.device === "mobile" && variant === 3 ? "com.example.shop" : "",
          BotScoreSrc: one.kind === "crawler"
            ? "Verified Bot"
            : one.kind === "script"
            ? "Heuristics"
            : "Machine Learning",
          BotTags: one.kind === "crawler" ? [one.category.startsWith("AI") ? "ai" : "seo"] : [],
          BotDetectionIDs: one.kind === "script" ? [33554817, 50331651] : [],
          BotDetectionTags: one.kind === "script" ? ["scripted"] : [],
          VerifiedBotCategory: one.category,
          JA3Hash: draws.hex(32),
          JA4: `${protocol === "HTTP/3" ? "q" : "t"}13d${1500 + draws.below(99)}h2_${draws.hex(12)}_${draws.hex(12)}`,
          JA4Signals: signalsOf(one.kind, draws),
          RequestHeaders: one.kind === "browser" ? { "accept-language": languages[variant] } : {}
        })
      }
    })
  )
}
