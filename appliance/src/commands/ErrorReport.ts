/**
 * How a command's failure reaches a person: one line on stderr that says what and why, and exit code 1. Only a defect,
 * which is a bug of ours, shows its stack.
 */
import { Cause, Effect, Option } from "effect"
import { CliError } from "effect/cli"
import { CommandEnded } from "./CommandEnded.ts"

const messageOf = (error: unknown): string =>
  error instanceof Error && error.message !== "" ? error.message : JSON.stringify(error) ?? String(error)

const write = (text: string) => Effect.sync(() => process.stderr.write(`${text}\n`))

/** Ends a failed command with a message and exit code 1; its own endings, wrong usage and interruption pass through. */
export const reportErrors = <A, E, R>(command: Effect.Effect<A, E, R>): Effect.Effect<A, E | CommandEnded, R> =>
  Effect.catchCause(command, (cause): Effect.Effect<never, E | CommandEnded> => {
    if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
    const failure = Option.getOrUndefined(Cause.findErrorOption(cause))
    // Wrong usage was explained where it was found, with the command's help.
    if (failure instanceof CommandEnded || CliError.isCliError(failure)) return Effect.failCause(cause)
    const report = failure === undefined
      ? write(`rainlogs: this is a defect, please report it.\n${Cause.pretty(cause)}`)
      : write(`rainlogs: ${messageOf(failure)}`)
    return Effect.andThen(report, Effect.fail(new CommandEnded({ exitCode: 1 })))
  })
