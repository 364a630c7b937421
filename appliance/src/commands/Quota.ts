/**
 * `rainlogs quota`: shows a customer's limits and usage, and, for the operator, sets them.
 */
import { QuotaResource } from "@rainlogs/core/api/QuotaApi"
import { Console, DateTime, Effect, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { bytes } from "../Progress.ts"
import { adminTokenVariable, apiFlags, ask } from "./ApiClient.ts"
import { CommandEnded } from "./CommandEnded.ts"

const encodeQuota = Schema.encodeSync(QuotaResource)

/** A limit is no number of bytes. */
export class LimitInvalid extends Schema.TaggedError<LimitInvalid>()("LimitInvalid", { flag: Schema.String }) {
  override get message(): string {
    return `${this.flag} must be a whole number of bytes above 0, or "none".`
  }
}

const line = (name: string, used: number, limit: number | null): string =>
  `${name}: ${bytes(used)} of ${limit === null ? "no limit" : bytes(limit)}`

const inWords = ({ limits, reason, remedy, resumesAt, state, used }: QuotaResource): string =>
  [
    state === "collecting"
      ? "Collecting."
      : `Paused: the ${reason === "day" ? "bytes of today" : "stored bytes"} are used up${
        resumesAt === null ? "" : ` until ${DateTime.formatIso(resumesAt)}`
      }. ${remedy ?? ""}`,
    line("today", used.today, limits.bytesPerDay),
    line("stored", used.stored, limits.storedBytes)
  ].join("\n")

const print = (quota: QuotaResource, json: boolean) =>
  Console.log(json ? JSON.stringify(encodeQuota(quota)) : inWords(quota))

/** The exit code of `show` when collection is paused. */
export const pausedExitCode = 2

const show = Command.make("show", apiFlags, (options) =>
  Effect.gen(function*() {
    const quota = yield* ask(options, "GET", "/api/v1/quota", QuotaResource)
    yield* print(quota, options.json)
    if (quota.state === "paused") return yield* new CommandEnded({ exitCode: pausedExitCode })
  })).pipe(
    Command.withDescription("Show the customer's limits and usage, with the customer's API key"),
    Command.withExamples([{ command: "rainlogs quota show", description: "Exit code 2 while collection is paused" }])
  )

const limitOf = (flag: string, text: string) =>
  text === "none"
    ? Effect.succeed(null)
    : /^[1-9][0-9]{0,15}$/.test(text) && Number.isSafeInteger(Number(text))
    ? Effect.succeed(Number(text))
    : Effect.fail(new LimitInvalid({ flag }))

const set = Command.make("set", {
  ...apiFlags,
  customer: Flag.String("customer").pipe(Flag.withDescription("Id of the customer")),
  bytesPerDay: Flag.String("bytes-per-day").pipe(
    Flag.withDescription("Bytes of log lines archived in one UTC day, or none")
  ),
  storedBytes: Flag.String("stored-bytes").pipe(Flag.withDescription("Bytes of stored objects, or none"))
}, (options) =>
  Effect.gen(function*() {
    const quota = yield* ask(
      { ...options, variable: adminTokenVariable },
      "PUT",
      `/customers/${encodeURIComponent(options.customer)}/quota`,
      QuotaResource,
      {
        bytesPerDay: yield* limitOf("--bytes-per-day", options.bytesPerDay),
        storedBytes: yield* limitOf("--stored-bytes", options.storedBytes)
      }
    )
    yield* print(quota, options.json)
  })).pipe(
    Command.withDescription("Set a customer's limits, with the operator's token (RAINLOGS_ADMIN_TOKEN or --key-file)"),
    Command.withExamples([
      {
        command: "rainlogs quota set --customer ID --bytes-per-day 50000000000 --stored-bytes none",
        description: "50 GB of log lines a day"
      },
      {
        command: "rainlogs quota set --customer ID --bytes-per-day none --stored-bytes none",
        description: "No limit"
      }
    ])
  )

/** The command. */
export const command = Command.make("quota").pipe(
  Command.withDescription(
    "How much of a customer's logs may be archived. Exit codes: 0 done, 1 failed, 2 no such customer, or collection is paused"
  ),
  Command.withSubcommands([show, set])
)
