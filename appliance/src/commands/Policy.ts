/**
 * `rainlogs policy`: shows the policy of a customer's ledger, drafts the next one, and puts it in force.
 */
import { PolicyResource } from "@rainlogs/core/api/PolicyApi"
import { Console, Effect, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { apiFlags, type ApiOptions, ask } from "./ApiClient.ts"
import { readDocument, writeDraft } from "./LedgerFile.ts"

const Draft = Schema.Struct({ document: Schema.String })

const show = (policy: PolicyResource, { json }: ApiOptions) =>
  Console.log(
    json ? JSON.stringify(policy) : [
      `Version ${policy.version}, SHA-256 ${policy.sha256}`,
      `Keeps windows for ${policy.retentionDays} days; no rule may go below ${policy.retentionMinimumDays}.`,
      policy.approvers.length === 0
        ? "Names no approver: only what is past retention can be erased, and no hold can be released."
        : `An erasure for another reason, or the release of a hold, needs ${policy.eraseQuorum} of:`,
      ...policy.approvers.map((key) => `  ${key}`)
    ].join("\n")
  )

const showCommand = Command.make(
  "show",
  apiFlags,
  (options) => Effect.flatMap(ask(options, "GET", "/api/v1/policy", PolicyResource), (policy) => show(policy, options))
).pipe(
  Command.withDescription("Show the policy in force"),
  Command.withExamples([{ command: "rainlogs policy show", description: "Retention, quorum and approvers" }])
)

const number = (name: string, about: string) =>
  Flag.Int(name).pipe(Flag.withDescription(`${about}; as it is when left out`), Flag.withDefault(-1))

const propose = Command.make("propose", {
  ...apiFlags,
  retentionDays: number("retention-days", "Days that windows are kept"),
  retentionMinimumDays: number("retention-minimum-days", "Days that no rule may go below"),
  quorum: number("quorum", "Approvers that an erasure needs"),
  approver: Flag.String("approver").pipe(
    Flag.withDescription("Public key of an approver, repeatable: all of the next policy; as they are when left out"),
    Flag.atLeast(0)
  ),
  out: Flag.String("out").pipe(Flag.withDescription("File for the draft"), Flag.withDefault("policy.txt"))
}, (options) =>
  Effect.gen(function*() {
    const { approver, json, out, quorum, retentionDays, retentionMinimumDays } = options
    const { document } = yield* ask(options, "POST", "/api/v1/policy/drafts", Draft, {
      ...retentionDays === -1 ? {} : { retentionDays },
      ...retentionMinimumDays === -1 ? {} : { retentionMinimumDays },
      ...quorum === -1 ? {} : { eraseQuorum: quorum },
      ...approver.length === 0 ? {} : { approvers: approver }
    })
    yield* writeDraft(out, document)
    yield* Console.log(
      json
        ? JSON.stringify({ out })
        : `${out} holds the next policy. Where it does more than lengthen retention or name the first approvers, the ` +
          `approvers of the policy in force sign it: rainlogs approver sign ${out} --key KEY\n` +
          `Then: rainlogs policy apply ${out}`
    )
  })).pipe(
    Command.withDescription("Draft the next version of the policy"),
    Command.withExamples([
      {
        command: "rainlogs policy propose --quorum 1 --approver \"approver.example.eu/dpo+…\"",
        description: "Name the first approver"
      },
      { command: "rainlogs policy propose --retention-days 730", description: "Keep windows longer" }
    ])
  )

const apply = Command.make("apply", {
  ...apiFlags,
  document: Argument.String("document").pipe(Argument.withDescription("The draft, signed where signatures are needed"))
}, (options) =>
  Effect.gen(function*() {
    const document = yield* readDocument(options.document)
    yield* show(yield* ask(options, "POST", "/api/v1/policy", PolicyResource, { document }), options)
  })).pipe(
    Command.withDescription("Put a policy in force; again, it changes nothing"),
    Command.withExamples([{ command: "rainlogs policy apply policy.txt", description: "As it was drafted and signed" }])
  )

/** The command. */
export const command = Command.make("policy").pipe(
  Command.withDescription(
    "The policy of a customer's ledger on a running appliance. Exit codes: 0 done, 1 failed, 2 refused by a rule"
  ),
  Command.withSubcommands([showCommand, propose, apply])
)
