/**
 * `rainlogs erase`: announces, executes and lists erasures, and deletes what is past its retention.
 */
import { ErasureDraftResource, ErasureResource, RetentionResource } from "@rainlogs/core/api/ErasuresApi"
import { tombstoneMethods, tombstoneReasons } from "@rainlogs/verify/Tombstone"
import { Console, DateTime, Effect, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { apiFlags, type ApiOptions, ask, eachPage } from "./ApiClient.ts"
import { readDocument, writeDraft } from "./LedgerFile.ts"
import { momentOrNull } from "./Moments.ts"

const Drafts = Schema.Struct({ draft: Schema.NullOr(ErasureDraftResource) })
const Page = Schema.Struct({ erasures: Schema.Array(ErasureResource), next: Schema.NullOr(Schema.String) })
const Run = Schema.Struct({ erasure: Schema.NullOr(ErasureResource) })
const encodeErasure = Schema.encodeSync(ErasureResource)

const inWords = ({ basis, executedAt, id, lastError, method, reason, requestedAt, state, targets }: ErasureResource) =>
  [
    `${id} ${state} ${
      DateTime.formatIso(executedAt ?? requestedAt)
    }: ${targets} windows, ${reason}, ${method}, ${basis}`,
    ...lastError === null ? [] : [`  last try: ${lastError}`]
  ].join("\n")

const show = (erasure: ErasureResource, { json }: ApiOptions) =>
  Console.log(json ? JSON.stringify(encodeErasure(erasure)) : inWords(erasure))

const announce = (options: ApiOptions, document: string) =>
  Effect.flatMap(
    ask(options, "POST", "/api/v1/erasures", ErasureResource, { document }),
    (erasure) => show(erasure, options)
  )

const request = Command.make("request", {
  ...apiFlags,
  zone: Flag.String("zone").pipe(Flag.withDescription("Id of the zone; all zones when left out"), Flag.withDefault("")),
  from: Flag.String("from").pipe(
    Flag.withDescription("Windows that start here or later; from the beginning when left out"),
    Flag.withDefault("")
  ),
  to: Flag.String("to").pipe(
    Flag.withDescription("Windows that end here or earlier; all when left out"),
    Flag.withDefault("")
  ),
  reason: Flag.Literals("reason", tombstoneReasons).pipe(
    Flag.withDescription("Why"),
    Flag.withDefault("gdpr-art17" as const)
  ),
  method: Flag.Literals("method", tombstoneMethods).pipe(
    Flag.withDescription("delete removes object and key, crypto-erase destroys the key only"),
    Flag.withDefault("delete" as const)
  ),
  basis: Flag.String("basis").pipe(
    Flag.withDescription("Reference to the legal basis; it stays in the ledger: no personal data"),
    Flag.withDefault("")
  ),
  out: Flag.String("out").pipe(
    Flag.withDescription("Beginning of the names of the drafts"),
    Flag.withDefault("erasure")
  ),
  document: Flag.String("document").pipe(
    Flag.withDescription("Announce this signed draft, repeatable; nothing else is asked for then"),
    Flag.atLeast(0)
  )
}, (options) =>
  Effect.gen(function*() {
    for (const file of options.document) yield* announce(options, yield* readDocument(file))
    if (options.document.length > 0) return
    const { basis, json, method, out, reason, zone } = options
    const from = yield* momentOrNull("--from", options.from)
    const to = yield* momentOrNull("--to", options.to)
    let after: string | null = null
    let files = 0
    let found = false
    do {
      const { draft }: typeof Drafts.Type = yield* ask(options, "POST", "/api/v1/erasures/drafts", Drafts, {
        zone: zone === "" ? null : zone,
        from,
        to,
        reason,
        method,
        basis,
        ...after === null ? {} : { after }
      })
      if (draft === null) break
      found = true
      after = draft.next
      if (draft.quorum === 0) {
        yield* announce(options, draft.document)
        continue
      }
      files += 1
      const file = `${out}-${String(files).padStart(4, "0")}.txt`
      yield* writeDraft(file, draft.document)
      yield* Console.log(
        json
          ? JSON.stringify({ id: draft.id, out: file, targets: draft.targets, quorum: draft.quorum })
          : `${file}: ${draft.targets} windows, to be signed by ${draft.quorum} approvers`
      )
    } while (after !== null)
    if (json) return
    if (!found) {
      return yield* Console.log("No window is left to erase: none lies wholly inside, or all are held or named.")
    }
    if (files > 0) {
      yield* Console.log(
        `Sign each with: rainlogs approver sign FILE --key KEY\nThen: rainlogs erase request --document FILE`
      )
    }
  })).pipe(
    Command.withDescription("Announce an erasure: first drafts that approvers sign, then the signed drafts"),
    Command.withExamples([
      {
        command: "rainlogs erase request --zone ID --from 2026-01-01 --to 2026-02-01 --basis \"case 12\"",
        description: "Drafts of at most 256 windows each"
      },
      { command: "rainlogs erase request --document erasure-0001.txt", description: "Signed by the quorum" }
    ])
  )

const execute = Command.make("execute", {
  ...apiFlags,
  ids: Argument.String("erasure").pipe(Argument.withDescription("Ids of erasures"), Argument.variadic({ min: 1 }))
}, (options) =>
  Effect.forEach(options.ids, (id) =>
    Effect.flatMap(
      ask(options, "POST", `/api/v1/erasures/${id}/execute`, ErasureResource),
      (erasure) => show(erasure, options)
    ), { discard: true })).pipe(
    Command.withDescription("Erase what was announced; it cannot be undone. Done already, it changes nothing"),
    Command.withExamples([{ command: "rainlogs erase execute ID", description: "One erasure" }])
  )

const list = Command.make("list", apiFlags, (options) =>
  Effect.gen(function*() {
    const count = yield* eachPage(options, "/api/v1/erasures", Page, ({ erasures }) =>
      Effect.as(
        Effect.forEach(erasures, (erasure) => show(erasure, options), { discard: true }),
        erasures.length
      ))
    if (count === 0 && !options.json) {
      yield* Console.log("There is no erasure.")
    }
  })).pipe(
    Command.withDescription("List erasures, newest first; with --json one object a line"),
    Command.withExamples([{ command: "rainlogs erase list", description: "All of the customer" }])
  )

const retention = Command.make("retention", {
  ...apiFlags,
  dryRun: Flag.Boolean("dry-run").pipe(
    Flag.withDescription("Only show what would be deleted"),
    Flag.withDefault(false)
  )
}, (options) =>
  Effect.gen(function*() {
    if (options.dryRun) {
      const due = yield* ask(options, "GET", "/api/v1/erasures/retention/due", RetentionResource)
      return yield* Console.log(
        options.json
          ? JSON.stringify(Schema.encodeSync(RetentionResource)(due))
          : `${due.windows} windows (${due.storedBytes} bytes) are past the ${due.days} days of the policy` +
            `${due.oldest === null ? "" : `, the oldest from ${DateTime.formatIso(due.oldest)}`}; ` +
            `${due.held} more are kept by a hold.`
      )
    }
    let windows = 0
    for (;;) {
      const { erasure } = yield* ask(options, "POST", "/api/v1/erasures/retention/run", Run)
      if (erasure === null) break
      windows += erasure.targets
      yield* show(erasure, options)
    }
    if (!options.json) yield* Console.log(`${windows} windows were deleted.`)
  })).pipe(
    Command.withDescription("Delete what is past the retention of the policy in force; it cannot be undone"),
    Command.withExamples([
      { command: "rainlogs erase retention --dry-run", description: "What would be deleted" },
      { command: "rainlogs erase retention", description: "Delete it" }
    ])
  )

/** The command. */
export const command = Command.make("erase").pipe(
  Command.withDescription(
    "Erasures of a customer on a running appliance. Exit codes: 0 done, 1 failed, 2 refused by a rule, 3 begun and not " +
      "finished yet"
  ),
  Command.withSubcommands([request, execute, list, retention])
)
