/**
 * `rainlogs red-team`: attacks an archive in memory and says of each attack whether the verifier exposed it. The archive
 * is only read.
 */
import { readTrust } from "@rainlogs/verify/commands/Trust"
import { openDirectory } from "@rainlogs/verify/node/DirectoryReader"
import { verify as verifySignature } from "@rainlogs/verify/node/NativeEd25519"
import { sha256 } from "@rainlogs/verify/node/NativeSha256"
import { catalogue } from "@rainlogs/verify/tampering/Catalogue"
import {
  allExposed,
  archiveAttackCount,
  attackArchive,
  attackCatalogue,
  type AttackResult
} from "@rainlogs/verify/tampering/RedTeam"
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as Progress from "../Progress.ts"
import { CommandEnded } from "./CommandEnded.ts"

interface Request {
  readonly directory: Option.Option<string>
  readonly key: ReadonlyArray<string>
  readonly tsaRoot: ReadonlyArray<string>
  readonly seed: number
  readonly json: boolean
}

const functions = { sha256, verifySignature }

async function* attacks({ directory, key, seed, tsaRoot }: Request): AsyncGenerator<AttackResult> {
  if (Option.isSome(directory)) {
    const trust = await readTrust({ key: [...key], "tsa-root": [...tsaRoot] })
    const reader = await openDirectory(directory.value)
    // First, because it is what can be wrong with the command line.
    yield* attackArchive(reader, { trust: { ...trust, ...functions }, seed, now: Date.now() })
  }
  yield* attackCatalogue(functions)
}

const line = ({ code, id, subject, verdict }: AttackResult): string =>
  `${verdict.padEnd(13)}${id.padEnd(24)}${(code ?? "").padEnd(27)}${subject ?? ""}`.trimEnd()

const heading = { archive: "Your archive", catalogue: "The catalogue, on an archive built for it" }

const count = (results: ReadonlyArray<AttackResult>, verdict: AttackResult["verdict"]): number =>
  results.filter((result) => result.verdict === verdict).length

const text = (results: ReadonlyArray<AttackResult>): string => {
  const rows = (["archive", "catalogue"] as const).flatMap((on) => {
    const own = results.filter((result) => result.on === on)
    return own.length === 0 ? [] : [
      heading[on],
      ...own.flatMap((result) => [
        `  ${line(result)}`,
        ...result.verdict === "NOT EXPOSED" || result.verdict === "NOT TRIED"
          ? [`    ${result.mutation}`, `    ${result.reason ?? ""}`]
          : []
      ]),
      ""
    ]
  })
  const [missed, untried] = [count(results, "NOT EXPOSED"), count(results, "NOT TRIED")]
  return [
    ...rows,
    `${count(results, "EXPOSED")} attacks exposed, ${missed} not exposed, ${untried} not tried; ` +
    `${count(results, "CLEARED")} controls cleared`
  ].join("\n")
}

const messageOf = (error: unknown): string => error instanceof Error ? error.message : String(error)

const run = Effect.fn("red-team")(function*(request: Request) {
  const progress = yield* Progress.make
  const expected = catalogue.length + (Option.isSome(request.directory) ? archiveAttackCount : 0)
  const results: Array<AttackResult> = []
  const attempted = yield* Effect.tryPromise({
    try: async () => {
      for await (const result of attacks(request)) {
        results.push(result)
        progress.show(`${Progress.bar(results.length / expected)} ${results.length}/${expected} ${result.id}`)
      }
    },
    catch: messageOf
  }).pipe(Effect.result)
  progress.clear()
  if (attempted._tag === "Failure") {
    // Nothing was learnt, which is neither of the two answers.
    process.stderr.write(`rainlogs: ${attempted.failure}\n`)
    return yield* new CommandEnded({ exitCode: 2 })
  }
  const exposed = allExposed(results)
  yield* Console.log(request.json ? JSON.stringify({ allExposed: exposed, results }, null, 2) : text(results))
  if (!exposed) return yield* new CommandEnded({ exitCode: 1 })
})

/** The command. */
export const command = Command.make("red-team", {
  directory: Argument.String("directory").pipe(
    Argument.withDescription("An archive that holds logs and integrity; only read. Without it: the catalogue alone"),
    Argument.optional
  ),
  key: Flag.String("key").pipe(
    Flag.withDescription("The log's verifier key, and those of witnesses; may be repeated"),
    Flag.atLeast(0)
  ),
  tsaRoot: Flag.String("tsa-root").pipe(
    Flag.withDescription("Root certificate of a timestamp authority (PEM or DER); may be repeated"),
    Flag.atLeast(0)
  ),
  seed: Flag.Int("seed").pipe(
    Flag.withDescription("Chooses what is attacked: the same seed attacks the same files"),
    Flag.withDefault(1)
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print the results as JSON"), Flag.withDefault(false))
}, (request) => Effect.scoped(run(request))).pipe(
  Command.withDescription(
    "Attack an archive in memory, and see the verifier expose every attack. Nothing is written. Exit codes: 0 all " +
      "exposed, 1 one was not, 2 could not be tried"
  ),
  Command.withExamples([
    { command: "rainlogs red-team", description: "The tamper catalogue on a built archive" },
    { command: "rainlogs red-team ./archive --key \"$VKEY\"", description: "Your own archive as well" }
  ])
)
