/**
 * `rainlogs hold`: places, lists and releases legal holds.
 */
import { HoldResource, type HoldScopeResource } from "@rainlogs/core/api/HoldsApi"
import { Console, DateTime, Effect, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { apiFlags, type ApiOptions, ask, eachPage } from "./ApiClient.ts"
import { readDocument, writeDraft } from "./LedgerFile.ts"
import { momentOrNull } from "./Moments.ts"

const Draft = Schema.Struct({ document: Schema.String })
const Page = Schema.Struct({ holds: Schema.Array(HoldResource), next: Schema.NullOr(Schema.String) })
const encodeHold = Schema.encodeSync(HoldResource)

const iso = (moment: DateTime.Utc | null, otherwise: string) => moment === null ? otherwise : DateTime.formatIso(moment)

const scopeInWords = ({ from, to, zone }: typeof HoldScopeResource.Type) =>
  `  ${zone === null ? "all zones" : `zone ${zone}`} from ${iso(from, "the beginning")} to ${iso(to, "without end")}`

const inWords = (hold: HoldResource): string =>
  [
    `${hold.id} ${hold.state} since ${iso(hold.releasedAt ?? hold.issuedAt, "")}: ${hold.basis}`,
    ...hold.scopes.map(scopeInWords)
  ].join("\n")

const show = (hold: HoldResource, { json }: ApiOptions) =>
  Console.log(json ? JSON.stringify(encodeHold(hold)) : inWords(hold))

const place = Command.make("place", {
  ...apiFlags,
  zone: Flag.String("zone").pipe(
    Flag.withDescription("Id of a zone, repeatable; all zones when left out"),
    Flag.atLeast(0)
  ),
  from: Flag.String("from").pipe(Flag.withDescription("First moment of the windows"), Flag.withDefault("")),
  to: Flag.String("to").pipe(Flag.withDescription("End of the windows, exclusive"), Flag.withDefault("")),
  basis: Flag.String("basis").pipe(Flag.withDescription("Reference to the legal basis; it stays in the ledger")),
  id: Flag.String("id").pipe(
    Flag.withDescription("A UUID of your own, so that a repeated command is the same hold"),
    Flag.withDefault("")
  )
}, (options) =>
  Effect.gen(function*() {
    const { basis, id, zone } = options
    const from = yield* momentOrNull("--from", options.from)
    const to = yield* momentOrNull("--to", options.to)
    const zones = zone.length === 0 ? [null] : zone
    const hold = yield* ask(options, "POST", "/api/v1/holds", HoldResource, {
      ...id === "" ? {} : { id },
      scopes: zones.map((one) => ({ zone: one, from, to })),
      basis
    })
    yield* show(hold, options)
  })).pipe(
    Command.withDescription("Keep windows from being erased, from now on"),
    Command.withExamples([
      { command: "rainlogs hold place --basis \"case 7\"", description: "Everything" },
      {
        command: "rainlogs hold place --zone ID --from 2026-01-01 --to 2026-02-01 --basis \"case 7\"",
        description: "One month of one zone"
      }
    ])
  )

const list = Command.make("list", apiFlags, (options) =>
  Effect.gen(function*() {
    const count = yield* eachPage(options, "/api/v1/holds", Page, ({ holds }) =>
      Effect.as(
        Effect.forEach(holds, (hold) => show(hold, options), { discard: true }),
        holds.length
      ))
    if (count === 0 && !options.json) yield* Console.log("There is no hold.")
  })).pipe(
    Command.withDescription("List active and released holds, newest first; with --json one object a line"),
    Command.withExamples([{ command: "rainlogs hold list", description: "All of the customer" }])
  )

const release = Command.make("release", {
  ...apiFlags,
  id: Argument.String("hold").pipe(Argument.withDescription("Id of the hold")),
  basis: Flag.String("basis").pipe(
    Flag.withDescription("Write a release for approvers to sign, with this reference to the legal basis"),
    Flag.withDefault("")
  ),
  out: Flag.String("out").pipe(Flag.withDescription("File for the draft"), Flag.withDefault("release.txt")),
  document: Flag.String("document").pipe(
    Flag.withDescription("Submit this signed release"),
    Flag.withDefault("")
  )
}, (options) =>
  Effect.gen(function*() {
    const { basis, document, id, json, out } = options
    if (document !== "") {
      const text = yield* readDocument(document)
      return yield* show(
        yield* ask(options, "POST", `/api/v1/holds/${id}/release`, HoldResource, { document: text }),
        options
      )
    }
    const draft = yield* ask(options, "POST", `/api/v1/holds/${id}/release-drafts`, Draft, { basis })
    yield* writeDraft(out, draft.document)
    yield* Console.log(
      json
        ? JSON.stringify({ hold: id, out })
        : `${out} is to be signed by the policy's approvers: rainlogs approver sign ${out} --key KEY\n` +
          `Then: rainlogs hold release ${id} --document ${out}`
    )
  })).pipe(
    Command.withDescription("End a hold: first a draft that approvers sign, then the signed release"),
    Command.withExamples([
      { command: "rainlogs hold release ID --basis \"case 7 closed\" --out release.txt", description: "The draft" },
      { command: "rainlogs hold release ID --document release.txt", description: "Signed by the quorum" }
    ])
  )

/** The command. */
export const command = Command.make("hold").pipe(
  Command.withDescription(
    "Legal holds of a customer on a running appliance. Exit codes: 0 done, 1 failed, 2 refused by a rule"
  ),
  Command.withSubcommands([place, list, release])
)
