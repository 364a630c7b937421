/**
 * `rainlogs demo`
 */
import { Effect, Layer } from "effect"
import { Command, Flag } from "effect/cli"
import { DataDirectory } from "../DataDirectory.ts"
import * as Demo from "../demo/Demo.ts"
import * as Logging from "../Logging.ts"
import { CommandEnded } from "./CommandEnded.ts"

/** When this process began, on `performance.now()`'s axis. */
const startedAt = 0

/** The command. */
export const command = Command.make("demo", {
  once: Flag.Boolean("once").pipe(
    Flag.withDescription("Stop after the first verified round; exit 0 only if INTEGRITY and COMPLETENESS are PASS"),
    Flag.withDefault(false)
  ),
  tamper: Flag.Boolean("tamper").pipe(
    Flag.withDescription("Flip one bit of a stored object afterwards and show the verifier catching it; exit 1"),
    Flag.withDefault(false)
  ),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print the result as one JSON object, the last line on stdout"),
    Flag.withDefault(false)
  ),
  data: Flag.String("data").pipe(
    Flag.withDescription("Data directory; a second run on it resumes"),
    Flag.withDefault("rainlogs-demo")
  ),
  host: Flag.String("host").pipe(Flag.withDescription("Address of the API"), Flag.withDefault("127.0.0.1")),
  port: Flag.Int("port").pipe(Flag.withDescription("Port of the API; 0 chooses a free one"), Flag.withDefault(0))
}, ({ data, host, json, once, port, tamper }) =>
  Demo.run({
    ending: tamper ? "tamper" : once ? "once" : "follow",
    output: json ? "json" : "text",
    host,
    port
  }, startedAt).pipe(
    Effect.provide(Layer.provideMerge(DataDirectory.layer(data), Logging.layer("Warn"))),
    Effect.flatMap((exitCode) => exitCode === 0 ? Effect.void : Effect.fail(new CommandEnded({ exitCode })))
  )).pipe(
    Command.withDescription(
      "Archive a simulated Cloudflare zone on this machine and verify the result. " +
        "Exit codes: 0 verified, 1 tampering proven (--tamper), 2 not verified, 4 tampering not caught (a defect)."
    ),
    Command.withExamples([
      { command: "rainlogs demo --once", description: "Backfill six hours, verify, stop" },
      { command: "rainlogs demo --tamper", description: "The same, then flip one bit and verify again" },
      { command: "rainlogs demo --once --json | tail -1 | jq .verdict", description: "For scripts" }
    ])
  )
