/**
 * The demo as a client of the REST API: it makes its customer and zone the way a user does, over HTTP.
 */
import { CreatedCustomer } from "@rainlogs/core/api/CustomersApi"
import { ZoneResource } from "@rainlogs/core/api/ZonesApi"
import { Effect, Redacted, Schema } from "effect"

/** The API answered with something else than was asked for. */
export class DemoRequestFailed extends Schema.TaggedError<DemoRequestFailed>()("DemoRequestFailed", {
  request: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.request}: ${this.detail}`
  }
}

const post = <S extends Schema.Top>(
  url: string,
  bearer: Redacted.Redacted<string>,
  body: { readonly [name: string]: string | number },
  schema: S
) =>
  Effect.gen(function*() {
    const answer = yield* Effect.tryPromise({
      try: async (signal) => {
        const response = await fetch(url, {
          method: "POST",
          headers: { authorization: `Bearer ${Redacted.value(bearer)}`, "content-type": "application/json" },
          body: JSON.stringify(body),
          signal
        })
        return { status: response.status, text: await response.text() }
      },
      catch: (cause) => new DemoRequestFailed({ request: `POST ${url}`, detail: String(cause) })
    })
    if (answer.status !== 201) {
      return yield* new DemoRequestFailed({ request: `POST ${url}`, detail: `${answer.status} ${answer.text}` })
    }
    return yield* Schema.decodeEffect(Schema.fromJsonString(schema))(answer.text)
  })

/** `POST /customers` with the admin token. */
export const createCustomer = (apiUrl: string, admin: Redacted.Redacted<string>) =>
  post(`${apiUrl}/customers`, admin, { name: "Demo" }, CreatedCustomer)

/** `POST /api/v1/zones` with the customer's key. */
export const createZone = (
  apiUrl: string,
  apiKey: Redacted.Redacted<string>,
  zone: {
    readonly name: string
    readonly cloudflareZoneId: string
    readonly token: string
    readonly backfillHours: number
  }
) => post(`${apiUrl}/api/v1/zones`, apiKey, zone, ZoneResource)
