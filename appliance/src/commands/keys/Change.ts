/**
 * `rainlogs keys rotate` and `rainlogs keys revoke`: change the keys of ledgers of a stopped appliance.
 */
import { KeyChanges, type KeysChanged, type RevocationFacts } from "@rainlogs/core/ledger/KeyChanges"
import * as LedgerEvents from "@rainlogs/core/ledger/LedgerEvents"
import type { LedgerOf } from "@rainlogs/core/ledger/LedgerStore"
import * as Publisher from "@rainlogs/core/ledger/Publisher"
import { Clock, Console, Effect, Layer, Option } from "effect"
import { Command, Flag } from "effect/cli"
import * as Appliance from "../../Appliance.ts"
import { DataDirectory } from "../../DataDirectory.ts"
import * as Logging from "../../Logging.ts"
import { CommandEnded } from "../CommandEnded.ts"
import { all, customer, data, dataDirectory, json, KeysCommandFailed, ledgersToChange } from "./Customers.ts"
import { keysJson } from "./KeysJson.ts"

interface Request {
  readonly all: boolean
  readonly customer: Option.Option<string>
  readonly data: string
  readonly json: boolean
}

const words = ({ customer }: LedgerOf, { keys, outcome, pending }: KeysChanged): string =>
  `${customer}: version ${keys.version} is in force for tree sizes from ${keys.fromSize}` +
  `${outcome === "finished" ? " (a change that was broken off is finished; no other was begun)" : ""}\n  ${keys.log}` +
  `${pending === null ? "" : `\n  It does not sign yet: ${pending}`}`

const environment = (root: string) =>
  KeyChanges.layer.pipe(
    Layer.provideMerge(Layer.mergeAll(Publisher.layer, LedgerEvents.layer)),
    Layer.provideMerge(Appliance.foundations),
    Layer.provide(Layer.provideMerge(DataDirectory.layer(root), Logging.layer("Warn")))
  )

// One failure does not keep the others from being changed; it is told, and the command ends with 1.
const changeEach = <E, R>(
  request: Request,
  change: (ledger: LedgerOf, now: number) => Effect.Effect<KeysChanged, E, R>
) =>
  Effect.gen(function*() {
    const ledgers = yield* ledgersToChange(request.customer, request.all)
    const events = yield* LedgerEvents.LedgerEvents
    const done: Array<{ readonly customer: string } & Record<string, unknown>> = []
    for (const ledger of ledgers) {
      const now = yield* Clock.currentTimeMillis
      const result = yield* Effect.result(
        // What the ledger owes comes first, so that the new head does not show a heartbeat missing.
        events.open(ledger).pipe(Effect.andThen(events.heartbeats(ledger, now)), Effect.andThen(change(ledger, now)))
      )
      if (result._tag === "Success") {
        const { keys, outcome, pending } = result.success
        done.push({
          customer: ledger.customer,
          origin: ledger.origin,
          outcome,
          pending,
          keys: keysJson(ledger.origin, keys)
        })
        if (!request.json) yield* Console.log(words(ledger, result.success))
      } else {
        const error = result.failure instanceof Error && result.failure.message !== ""
          ? result.failure.message
          : JSON.stringify(result.failure)
        done.push({ customer: ledger.customer, origin: ledger.origin, error })
        yield* Effect.sync(() => process.stderr.write(`rainlogs: ${ledger.customer}: ${error}\n`))
      }
    }
    if (request.json) yield* Console.log(JSON.stringify(done))
    if (done.some(({ error, pending }) => error !== undefined || typeof pending === "string")) {
      return yield* new CommandEnded({ exitCode: 1 })
    }
  })

/** `rainlogs keys rotate` */
export const rotate = Command.make("rotate", { all, customer, data, json }, (request) =>
  Effect.gen(function*() {
    const root = yield* dataDirectory(request.data)
    yield* changeEach(request, (ledger, now) => KeyChanges.use((changes) => changes.rotate(ledger, null, now))).pipe(
      Effect.provide(environment(root))
    )
  }).pipe(Effect.scoped)).pipe(
    Command.withDescription(
      "Make new signing keys for a ledger and chain them. Whoever has the old public key can go on verifying. " +
        "Run again after it was broken off, it finishes. Exit codes: 0 done, 1 not, or not for all"
    ),
    Command.withExamples([
      { command: "rainlogs keys rotate --data /var/lib/rainlogs --customer ID", description: "One customer" },
      { command: "rainlogs keys rotate --data /var/lib/rainlogs --all --json", description: "Everybody, for scripts" }
    ])
  )

const since = Flag.String("since").pipe(
  Flag.withDescription(
    "What the key signed later is not believed, unless a trusted time or a newer key covers it: " +
      "ISO 8601, such as 2026-01-31T12:00:00Z. Now, when left out"
  ),
  Flag.optional
)

const readSince = (text: Option.Option<string>, now: number) => {
  if (Option.isNone(text)) return Effect.succeed(now)
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)$/.test(text.value)
    ? Date.parse(text.value)
    : Number.NaN
  return Number.isNaN(time) || time > now
    ? Effect.fail(
      new KeysCommandFailed({ detail: `--since "${text.value}" is no past time such as 2026-01-31T12:00:00Z` })
    )
    : Effect.succeed(time)
}

/** `rainlogs keys revoke` */
export const revoke = Command.make("revoke", {
  all,
  customer,
  data,
  json,
  since,
  key: Flag.String("key").pipe(
    Flag.withDescription(
      "Id (8 hex digits) of an earlier key, to revoke only that; else the keys in use, and new ones are made"
    ),
    Flag.optional
  ),
  reason: Flag.String("reason").pipe(
    Flag.withDescription("One word for the list: compromised, lost, retired…"),
    Flag.withDefault("compromised")
  )
}, (request) =>
  Effect.gen(function*() {
    const root = yield* dataDirectory(request.data)
    const facts: RevocationFacts = {
      since: yield* readSince(request.since, yield* Clock.currentTimeMillis),
      reason: request.reason
    }
    yield* changeEach(request, (ledger, now) =>
      KeyChanges.use((changes) =>
        Option.isNone(request.key)
          ? changes.rotate(ledger, facts, now)
          : changes.revokeFormer(ledger, request.key.value, facts, now)
      )).pipe(Effect.provide(environment(root)))
  }).pipe(Effect.scoped)).pipe(
    Command.withDescription(
      "Make new keys and put the old ones on the ledger's list of revoked keys. A checkpoint that the old key signs later " +
        "is REVOKED_KEY or KEY_NOT_IN_FORCE to every verifier that knows the list. Exit codes: 0 done, 1 not, or not for all"
    ),
    Command.withExamples([
      {
        command: "rainlogs keys revoke --data /var/lib/rainlogs --all --since 2026-01-31T12:00:00Z",
        description: "The machine was broken into on 31 January"
      },
      {
        command: "rainlogs keys revoke --data /var/lib/rainlogs --customer ID --key 1a2b3c4d --reason lost",
        description: "A key from before the last rotation"
      }
    ])
  )
