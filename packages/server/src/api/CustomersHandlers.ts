/**
 * Handlers: customers.
 */
import { Api } from "@rainlogs/core/api/Api"
import { CustomerStore } from "@rainlogs/core/archive/CustomerStore"
import { type Customer, Origin } from "@rainlogs/core/domain/Customer"
import { CustomerId } from "@rainlogs/core/domain/Identifier"
import { LedgerEvents } from "@rainlogs/core/ledger/LedgerEvents"
import { Signer } from "@rainlogs/core/ledger/Signer"
import * as ApiKey from "@rainlogs/core/secrets/ApiKey"
import { Clock, Config, DateTime, Effect, Schema } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { randomUUID } from "node:crypto"
import { onDatabaseError, onLedgerNotOpened, onSignerUnavailable } from "./Failures.ts"

/** `RAINLOGS_ARCHIVE_DOMAIN`: the first part of every origin; `rainlogs.localhost` if not set. Never change it later. */
export const archiveDomain = Config.String("RAINLOGS_ARCHIVE_DOMAIN").pipe(Config.withDefault("rainlogs.localhost"))

/** The `customers` group of the API. */
export const layer = HttpApiBuilder.group(
  Api,
  "customers",
  Effect.fn(function*(handlers) {
    const customers = yield* CustomerStore
    const signer = yield* Signer
    const ledgers = yield* LedgerEvents
    const domain = yield* archiveDomain
    // A domain that cannot be part of an origin stops the start, not the first customer.
    yield* decodeOrigin(`${domain}/t/${"0".repeat(8)}-0000-0000-0000-${"0".repeat(12)}`)

    return handlers.handle(
      "create",
      Effect.fn("CustomersHandlers.create")(function*({ payload }) {
        const id = CustomerId.make(randomUUID())
        const now = yield* Clock.currentTimeMillis
        const customer: Customer = { id, name: payload.name, origin: Origin.make(`${domain}/t/${id}`), createdAt: now }
        // Keys first: a customer that exists always has them. The API key last: who holds one has an open ledger.
        const keys = yield* signer.keys(customer.origin).pipe(
          Effect.catchTag("SignerUnavailable", onSignerUnavailable)
        )
        const apiKey = yield* ApiKey.make
        yield* customers.create(customer, ApiKey.toStored(apiKey)).pipe(
          Effect.catchTag("DatabaseError", onDatabaseError)
        )
        yield* ledgers.open({ customer: id, origin: customer.origin }).pipe(
          Effect.catch(onLedgerNotOpened(customer.origin))
        )
        return {
          id,
          name: customer.name,
          origin: customer.origin,
          vkey: keys.log,
          clockVkey: keys.clock,
          apiKey: ApiKey.format(apiKey),
          createdAt: DateTime.makeUnsafe(now)
        }
      })
    )
  })
)

const decodeOrigin = Schema.decodeUnknownEffect(Origin)
