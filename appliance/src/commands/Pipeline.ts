/**
 * `rainlogs pipeline`: tries rules on a sample, and shows and sets those of a zone.
 */
import {
  PseudonymKeyList,
  PseudonymKeyResource,
  SourcePipelineResource,
  ZonePipelines
} from "@rainlogs/core/api/PipelinesApi"
import { decodePipeline, hashOf } from "@rainlogs/core/pipeline/Pipeline"
import { Console, DateTime, Effect, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { readFile } from "node:fs/promises"
import { apiFlags, ask } from "./ApiClient.ts"
import { CommandEnded } from "./CommandEnded.ts"
import { tryPipeline } from "./pipeline/TryPipeline.ts"

/** The exit code of `test` when a rule cannot be applied to a line of the sample. */
export const faultyExitCode = 2

/** A file cannot be read, or holds no pipeline; the message says where and why. */
export class RulesInvalid extends Schema.TaggedError<RulesInvalid>()("RulesInvalid", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

const read = (path: string) =>
  Effect.tryPromise({
    try: () => readFile(path),
    catch: (cause) =>
      new RulesInvalid({ detail: `${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}` })
  })

const readRules = Effect.fnUntraced(function*(path: string) {
  const bytes = yield* read(path)
  const document: unknown = yield* Effect.try({
    try: () => JSON.parse(bytes.toString("utf8")),
    catch: (cause) =>
      new RulesInvalid({ detail: `${path} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}` })
  })
  return yield* decodePipeline(document).pipe(
    Effect.mapError((error) => new RulesInvalid({ detail: `${path} is no rainlogs-pipeline/v1: ${error.message}` }))
  )
})

const test = Command.make("test", {
  rules: Argument.String("rules").pipe(Argument.withDescription("File with the rules")),
  sample: Argument.String("sample").pipe(Argument.withDescription("File with lines of JSON")),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON line per line"), Flag.withDefault(false))
}, ({ json, rules, sample }) =>
  Effect.gen(function*() {
    const pipeline = yield* readRules(rules)
    const counts = yield* Effect.tryPromise({
      try: () => tryPipeline(pipeline, sample, json),
      catch: (cause) =>
        new RulesInvalid({
          detail: `${sample} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`
        })
    })
    yield* Console.log(
      json
        ? JSON.stringify({ sha256: hashOf(pipeline), ...counts })
        : `${counts.lines} lines: ${counts.kept} kept, ${counts.edited} of them edited; ${counts.dropped} dropped; ` +
          `${counts.failed} to which a rule cannot be applied\nsha256 ${hashOf(pipeline)}`
    )
    if (counts.failed > 0) return yield* new CommandEnded({ exitCode: faultyExitCode })
  })).pipe(
    Command.withDescription("Show what rules do with the lines of a file; nothing is asked of any server"),
    Command.withExamples([
      {
        command: "rainlogs pipeline test rules.json sample.ndjson",
        description: "Exit code 2 where a rule cannot be applied"
      }
    ])
  )

const zone = Flag.String("zone").pipe(Flag.withDescription("Id of the zone, as GET /api/v1/zones shows it"))

const pathOf = (id: string): string => `/api/v1/zones/${encodeURIComponent(id)}/pipeline`
const encodeZone = Schema.encodeSync(ZonePipelines)
const encodeOne = Schema.encodeSync(SourcePipelineResource)

const inWords = ({ pipeline, setAt, sha256, source, version }: SourcePipelineResource): string =>
  `${source}: ${
    pipeline === null ? "no pipeline, lines are archived as they come" : `version ${version}, sha256 ${sha256}`
  }${setAt === null ? "" : `, set ${DateTime.formatIso(setAt)}`}${
    pipeline === null ? "" : `\n${JSON.stringify(pipeline, null, 2)}`
  }`

const show = Command.make("show", { ...apiFlags, zone }, (options) =>
  Effect.gen(function*() {
    const found = yield* ask(options, "GET", pathOf(options.zone), ZonePipelines)
    yield* Console.log(options.json ? JSON.stringify(encodeZone(found)) : found.pipelines.map(inWords).join("\n"))
  })).pipe(Command.withDescription("Show the rules of every source of a zone"))

const set = Command.make("set", {
  ...apiFlags,
  zone,
  source: Flag.String("source").pipe(
    Flag.withDescription("Name of the source"),
    Flag.withDefault("cloudflare/logpull/http_requests")
  ),
  rules: Argument.String("rules").pipe(Argument.withDescription("File with the rules, or none"))
}, (options) =>
  Effect.gen(function*() {
    const pipeline = options.rules === "none" ? null : yield* readRules(options.rules)
    const answer = yield* ask(options, "PUT", pathOf(options.zone), SourcePipelineResource, {
      source: options.source,
      pipeline
    })
    yield* Console.log(options.json ? JSON.stringify(encodeOne(answer)) : inWords(answer))
  })).pipe(
    Command.withDescription("Set the rules of a source, for windows whose collection begins afterwards"),
    Command.withExamples([
      { command: "rainlogs pipeline set --zone ID rules.json", description: "Rules for Logpull" },
      { command: "rainlogs pipeline set --zone ID none", description: "Archive lines as they come" }
    ])
  )

const keys = Command.make("keys", apiFlags, (options) =>
  Effect.gen(function*() {
    const found = yield* ask(options, "GET", "/api/v1/pseudonym-keys", PseudonymKeyList)
    yield* Console.log(
      options.json ? JSON.stringify(Schema.encodeSync(PseudonymKeyList)(found)) : found.keys.map(keyInWords).join("\n")
    )
  })).pipe(Command.withDescription("List the periods that pseudonyms have a key of"))

const keyInWords = ({ destroyedAt, period }: typeof PseudonymKeyResource.Type): string =>
  `${period}: ${destroyedAt === null ? "has a key" : `destroyed ${DateTime.formatIso(destroyedAt)}`}`

const destroyKey = Command.make("destroy-key", {
  ...apiFlags,
  period: Argument.String("period").pipe(Argument.withDescription("The period, as keys lists it"))
}, (options) =>
  Effect.gen(function*() {
    const path = `/api/v1/pseudonym-keys/${encodeURIComponent(options.period)}`
    const answer = yield* ask(options, "DELETE", path, PseudonymKeyResource)
    yield* Console.log(
      options.json ? JSON.stringify(Schema.encodeSync(PseudonymKeyResource)(answer)) : keyInWords(answer)
    )
  })).pipe(Command.withDescription("Destroy the key of a period, for ever: its pseudonyms become anonymous"))

/** The command. */
export const command = Command.make("pipeline").pipe(
  Command.withDescription(
    "Rules that leave out, redact or pseudonymise before anything is archived. Exit codes: 0 done, 1 failed, 2 no such " +
      "zone, source or period, a key that is still needed, or a line of a sample that a rule cannot be applied to"
  ),
  Command.withSubcommands([test, show, set, keys, destroyKey])
)
