/**
 * Which anchors the operator configured. What is half configured stops the start: an anchor that silently is not there
 * would be noticed only when it is needed.
 */
import { parseVerifierKey, type VerifierKey } from "@rainlogs/verify/VerifierKey"
import { Config, Effect, Option, Redacted, Schema } from "effect"
import { urlFault } from "./AnchorHttp.ts"
import { parseSecret } from "./WebhookAnchor.ts"

/** A setting of the anchors cannot be used; `detail` says what is wrong with it and what it should be. */
export class AnchorSettingInvalid extends Schema.TaggedError<AnchorSettingInvalid>()("AnchorSettingInvalid", {
  setting: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.setting}: ${this.detail}.`
  }
}

/** One time-stamping authority: the name of its receipts, and where it is. */
export interface AuthoritySetting {
  readonly id: string
  readonly url: string
}

/** One witness: the name of its receipts, its submission prefix and its key (type 4). */
export interface WitnessSetting {
  readonly id: string
  readonly url: string
  readonly key: VerifierKey
}

/** The settings; null where there is no such anchor. */
export interface AnchorOptions {
  readonly timestamps: {
    readonly authorities: ReadonlyArray<AuthoritySetting>
    /** Path of a PEM file with the certificates that are trusted. */
    readonly roots: string
    readonly stampsPerMinute: number
  } | null
  /** Path of a second store. */
  readonly directory: string | null
  readonly webhook: { readonly url: string; readonly secret: Redacted.Redacted<Uint8Array> } | null
  readonly witnesses: ReadonlyArray<WitnessSetting>
}

/** Stamps a minute that a time-stamping authority is asked for at most, unless configured. */
export const defaultTimestampsPerMinute = 60

const invalid = (setting: string, detail: string) => new AnchorSettingInvalid({ setting, detail })

// The names of the other anchors' receipts.
const reserved = /^(?:bucket|webhook|witness(?:-.*)?)$/

/** The anchor's name that follows from its address, `tsa-<host>` with `-` for every other character. */
const nameOf = (url: string): string => `tsa-${new URL(url).hostname.replaceAll(/[^a-z0-9]+/g, "-")}`.slice(0, 64)

/** Reads `[name=]url, [name=]url …`. */
export const parseAuthorities = Effect.fnUntraced(function*(
  setting: string,
  text: string
): Effect.fn.Return<ReadonlyArray<AuthoritySetting>, AnchorSettingInvalid> {
  const authorities = new Map<string, string>()
  for (const item of text.split(",").map((one) => one.trim()).filter((one) => one !== "")) {
    const [, given, rest = item] = /^([a-z0-9-]{1,64})=(.*)$/.exec(item) ?? []
    const fault = urlFault(rest)
    if (fault !== undefined) return yield* invalid(setting, `"${rest}" is not ${fault}`)
    const id = given ?? nameOf(rest)
    if (reserved.test(id)) return yield* invalid(setting, `"${id}" names another kind of anchor: give it another name`)
    if (authorities.has(id)) {
      return yield* invalid(
        setting,
        `two authorities are named "${id}": give them names, as in first=https://…, second=https://…`
      )
    }
    authorities.set(id, rest)
  }
  if (authorities.size === 0) return yield* invalid(setting, "it holds no URL; leave it out to have no timestamps")
  return [...authorities].map(([id, url]) => ({ id, url }))
})

/** Reads `RAINLOGS_TSA_*` and `RAINLOGS_ANCHOR_*`. */
export const anchorOptions: Effect.Effect<AnchorOptions, AnchorSettingInvalid | Config.ConfigError> = Effect.gen(
  function*() {
    const settings = yield* Config.all({
      urls: Config.option(Config.String("RAINLOGS_TSA_URLS")),
      roots: Config.option(Config.String("RAINLOGS_TSA_ROOTS")),
      perMinute: Config.schema(
        Schema.NumberFromString.pipe(Schema.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 100_000 }))),
        "RAINLOGS_TSA_REQUESTS_PER_MINUTE"
      ).pipe(Config.withDefault(defaultTimestampsPerMinute)),
      directory: Config.option(Config.String("RAINLOGS_ANCHOR_DIRECTORY")),
      witnesses: Config.option(Config.String("RAINLOGS_WITNESSES")),
      webhookUrl: Config.option(Config.String("RAINLOGS_ANCHOR_WEBHOOK_URL")),
      webhookSecret: Config.option(Config.Redacted("RAINLOGS_ANCHOR_WEBHOOK_SECRET"))
    })
    return {
      timestamps: yield* timestampSettings(settings.urls, settings.roots, settings.perMinute),
      directory: Option.getOrNull(settings.directory),
      witnesses: Option.isNone(settings.witnesses) ? [] : yield* parseWitnesses(settings.witnesses.value),
      webhook: yield* webhookSettings(settings.webhookUrl, settings.webhookSecret)
    }
  }
)

/** Reads `<url> <vkey>, <url> <vkey> …`. */
export const parseWitnesses = Effect.fnUntraced(function*(
  text: string
): Effect.fn.Return<ReadonlyArray<WitnessSetting>, AnchorSettingInvalid> {
  const setting = "RAINLOGS_WITNESSES"
  const witnesses = new Map<string, WitnessSetting>()
  for (const item of text.split(",").map((one) => one.trim()).filter((one) => one !== "")) {
    const [url = "", vkey = "", ...more] = item.split(/\s+/)
    const fault = urlFault(url)
    if (fault !== undefined) return yield* invalid(setting, `"${url}" is not ${fault}`)
    if (vkey === "" || more.length > 0) {
      return yield* invalid(setting, `"${item}": write the witness's URL, a space and its verifier key`)
    }
    const key = yield* Effect.try({
      try: () => parseVerifierKey(vkey),
      catch: (cause) => invalid(setting, `"${vkey}": ${cause instanceof Error ? cause.message : String(cause)}`)
    })
    if (key.type !== 4) return yield* invalid(setting, `${key.name} is not a cosignature key (type 4)`)
    const id = `witness-${key.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}`.slice(0, 64)
    if (witnesses.has(id)) return yield* invalid(setting, `${key.name} stands twice`)
    witnesses.set(id, { id, url, key })
  }
  if (witnesses.size === 0) return yield* invalid(setting, "it holds no witness; leave it out to have none")
  return [...witnesses.values()]
})

const timestampSettings = Effect.fnUntraced(function*(
  urls: Option.Option<string>,
  roots: Option.Option<string>,
  stampsPerMinute: number
) {
  if (Option.isNone(urls)) {
    if (Option.isNone(roots)) return null
    return yield* invalid("RAINLOGS_TSA_ROOTS", "it is set without RAINLOGS_TSA_URLS, the authorities it is for")
  }
  const authorities = yield* parseAuthorities("RAINLOGS_TSA_URLS", urls.value)
  if (Option.isNone(roots)) {
    const detail = "it is set without RAINLOGS_TSA_ROOTS, the PEM file of the certificates its timestamps must lead to"
    return yield* invalid("RAINLOGS_TSA_URLS", detail)
  }
  return { authorities, roots: roots.value, stampsPerMinute }
})

const webhookSettings = Effect.fnUntraced(function*(
  url: Option.Option<string>,
  secret: Option.Option<Redacted.Redacted<string>>
) {
  if (Option.isNone(url)) {
    if (Option.isNone(secret)) return null
    return yield* invalid("RAINLOGS_ANCHOR_WEBHOOK_SECRET", "it is set without RAINLOGS_ANCHOR_WEBHOOK_URL")
  }
  const fault = urlFault(url.value)
  if (fault !== undefined) return yield* invalid("RAINLOGS_ANCHOR_WEBHOOK_URL", `it is not ${fault}`)
  const bytes = Option.isNone(secret) ? null : parseSecret(Redacted.value(secret.value))
  if (bytes === null) {
    const detail =
      "RAINLOGS_ANCHOR_WEBHOOK_URL needs it: whsec_ and 24 to 64 random bytes in base64, for example from " +
      "echo whsec_$(openssl rand -base64 32)"
    return yield* invalid("RAINLOGS_ANCHOR_WEBHOOK_SECRET", detail)
  }
  return { url: url.value, secret: Redacted.make(bytes) }
})
