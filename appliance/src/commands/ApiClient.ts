/**
 * How commands ask a running appliance: over its API, with the customer's key from the environment or a file, never from
 * the command line, where other users of the machine see it.
 */
import { Console, Effect, Redacted, Schema } from "effect"
import { Flag } from "effect/cli"
import { readFile } from "node:fs/promises"
import { CommandEnded } from "./CommandEnded.ts"

/** The exit code of a command that a rule of the archive refuses: nothing was changed. */
export const refusedExitCode = 2

/** The exit code of an erasure that was begun and is not done: the appliance goes on trying. */
export const unfinishedExitCode = 3

/** The appliance cannot be asked; the message says why and what to do. */
export class ApiUnreachable extends Schema.TaggedError<ApiUnreachable>()("ApiUnreachable", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

const apiKeyVariable = "RAINLOGS_API_KEY"

/** The variable with the operator's token, for {@link ApiOptions.variable}. */
export const adminTokenVariable = "RAINLOGS_ADMIN_TOKEN"

/** Which appliance, and whose key. */
export const apiFlags = {
  url: Flag.String("url").pipe(
    Flag.withDescription("Where the appliance's API answers"),
    Flag.withDefault("http://127.0.0.1:8080")
  ),
  keyFile: Flag.String("key-file").pipe(
    Flag.withDescription("File with the customer's API key; RAINLOGS_API_KEY when left out"),
    Flag.withDefault("")
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print the answer as JSON"), Flag.withDefault(false))
}

/** The values of {@link apiFlags}. */
export interface ApiOptions {
  readonly url: string
  readonly keyFile: string
  readonly json: boolean
  /** The environment variable with the credential; `RAINLOGS_API_KEY` when left out. */
  readonly variable?: string
}

const Problem = Schema.fromJsonString(
  Schema.Struct({
    type: Schema.String,
    title: Schema.String,
    detail: Schema.optionalKey(Schema.String),
    remedy: Schema.optionalKey(Schema.String),
    errors: Schema.optionalKey(
      Schema.Array(
        Schema.Struct({
          path: Schema.Array(Schema.Union([Schema.String, Schema.Number])),
          message: Schema.String
        })
      )
    )
  })
)

const unreachable = (detail: string) => new ApiUnreachable({ detail })
const detailOf = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)

const apiKey = Effect.fnUntraced(function*({ keyFile, variable = apiKeyVariable }: ApiOptions) {
  if (keyFile !== "") {
    const text = yield* Effect.tryPromise({
      try: () => readFile(keyFile, "utf8"),
      catch: (cause) => unreachable(`the file of the API key cannot be read: ${detailOf(cause)}`)
    })
    return Redacted.make(text.trim())
  }
  const key = process.env[variable]
  if (key !== undefined && key !== "") return Redacted.make(key)
  return yield* unreachable(`there is no API key: set ${variable}, or give --key-file FILE`)
})

const exitCodeOf = (status: number, type: string): number => {
  if (type === "urn:rainlogs:problem:erasure-unfinished") return unfinishedExitCode
  return status === 409 || status === 404 || status === 410 ? refusedExitCode : 1
}

/**
 * Asks the appliance. A problem it answers is written to stderr, with `--json` as it is, and ends the command with the
 * exit code that fits.
 */
export const ask = Effect.fnUntraced(function*<S extends Schema.Constraint>(
  options: ApiOptions,
  method: "GET" | "POST" | "PUT" | "DELETE",
  path: string,
  answer: S,
  body?: unknown
) {
  const key = yield* apiKey(options)
  const { status, text } = yield* Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(new URL(path, options.url), {
        method,
        headers: {
          authorization: `Bearer ${Redacted.value(key)}`,
          ...body === undefined ? {} : { "content-type": "application/json" }
        },
        ...body === undefined ? {} : { body: JSON.stringify(body) },
        signal
      })
      return { status: response.status, text: await response.text() }
    },
    catch: (cause) =>
      unreachable(
        `${options.url} does not answer: ${
          detailOf(cause)
        }. Is the appliance running (rainlogs serve), and is --url right?`
      )
  })
  if (status >= 200 && status < 300) {
    return yield* Schema.decodeUnknownEffect(Schema.fromJsonString(answer))(text).pipe(
      Effect.mapError((error) => unreachable(`${options.url} answered what this version cannot read: ${error.message}`))
    )
  }
  const problem = yield* Schema.decodeUnknownEffect(Problem)(text).pipe(
    Effect.mapError(() => unreachable(`${options.url} answered with status ${status}, and it is no Rainlogs API`))
  )
  const issues = problem.errors?.map(({ message, path }) => `${path.slice(1).join(".")}: ${message}`) ?? []
  const sentences = [problem.title, problem.detail, ...issues, problem.remedy].filter((part) => part !== undefined)
  yield* Console.error(options.json ? text : `rainlogs: ${sentences.join("\n  ")}`)
  return yield* new CommandEnded({ exitCode: exitCodeOf(status, problem.type) })
})

/** Asks for every page of a list, in turn; the sum of what `each` counts. */
export const eachPage = Effect.fnUntraced(function*<Page extends { readonly next: string | null }, E, R>(
  options: ApiOptions,
  path: string,
  answer: Schema.Codec<Page, unknown>,
  each: (page: Page) => Effect.Effect<number, E, R>
) {
  let next: string | null = null
  let count = 0
  do {
    const before: string = next === null ? "" : `&before=${next}`
    const page: Page = yield* ask(options, "GET", `${path}?limit=1000${before}`, answer)
    count += yield* each(page)
    next = page.next
  } while (next !== null)
  return count
})
