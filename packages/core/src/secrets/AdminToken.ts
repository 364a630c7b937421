/**
 * The operator's token: it creates customers and reads metrics. It has no default; without one those doors stay closed.
 */
import { Config, Context, Effect, Layer, Option, Redacted, Schema } from "effect"
import { createHash, timingSafeEqual } from "node:crypto"

/** The configured token is too short to resist guessing. */
export class AdminTokenTooShort extends Schema.TaggedError<AdminTokenTooShort>()("AdminTokenTooShort", {
  length: Schema.Int
}) {
  override get message(): string {
    return `RAINLOGS_ADMIN_TOKEN has ${this.length} characters; it needs at least ${shortestAdminToken}. ` +
      "Generate one with: openssl rand -hex 32"
  }
}

/** Shortest accepted token, in characters. */
export const shortestAdminToken = 32

/** The operator's token; none closes the operator's endpoints. */
export class AdminToken extends Context.Service<AdminToken, {
  /** The token, or none if the operator configured none. */
  readonly token: Option.Option<Redacted.Redacted<string>>
}>()("@rainlogs/core/AdminToken") {
  /** A given token, for an appliance that keeps it in a file. */
  static readonly layer = (token: Redacted.Redacted<string>) => Layer.effect(AdminToken, checked(Option.some(token)))

  /** The token in `RAINLOGS_ADMIN_TOKEN`, or none. */
  static readonly layerConfig = Layer.effect(
    AdminToken,
    Effect.gen(function*() {
      return yield* checked(yield* Config.option(Config.Redacted("RAINLOGS_ADMIN_TOKEN")))
    })
  )
}

const checked = (token: Option.Option<Redacted.Redacted<string>>) => {
  const length = Option.map(token, (value) => Redacted.value(value).length)
  return Option.isSome(length) && length.value < shortestAdminToken
    ? Effect.fail(new AdminTokenTooShort({ length: length.value }))
    : Effect.succeed(AdminToken.of({ token }))
}

/** Whether `presented` is the token; compares digests, so that the time tells neither content nor length. */
export const matches = (token: Redacted.Redacted<string>, presented: Redacted.Redacted<string>): boolean =>
  timingSafeEqual(sha256(Redacted.value(token)), sha256(Redacted.value(presented)))

const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest()
