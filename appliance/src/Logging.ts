/**
 * Log lines go to stderr as logfmt: stdout belongs to a command's result. `RAINLOGS_LOG_LEVEL` chooses the least
 * severe level that is written (`Info` when left out; `Debug`, `Warn`, `Error`, …).
 */
import { Config, Effect, Layer, Logger, References } from "effect"

/** The loggers of a command whose level is `fallback` unless the configuration says otherwise. */
export const layer = (fallback: "Info" | "Warn") =>
  Layer.unwrap(Effect.gen(function*() {
    const level = yield* Config.LogLevel("RAINLOGS_LOG_LEVEL").pipe(Config.withDefault(fallback))
    return Layer.merge(
      Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]),
      Layer.succeed(References.MinimumLogLevel, level)
    )
  }))
