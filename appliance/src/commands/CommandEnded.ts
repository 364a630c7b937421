/**
 * How a command ends with an exit code of its own: not an error of the program, nothing is printed for it.
 */
import { Runtime, Schema } from "effect"

/** The command is done and the process exits with `exitCode`. */
export class CommandEnded extends Schema.TaggedError<CommandEnded>()("CommandEnded", { exitCode: Schema.Int }) {
  override readonly [Runtime.errorExitCode] = this.exitCode
  override readonly [Runtime.errorReported] = false
}
