#!/usr/bin/env node
/**
 * Runs a simulator as a process of its own and prints one JSON line with everything a client needs: API and control URL, tokens, zones and
 * the numbers of its clock. Ends on SIGINT or SIGTERM.
 */
import { createHash } from "node:crypto"
import { parseArgs } from "node:util"
import type { TokenOptions } from "./Authentication.ts"
import { startControlServer } from "./ControlServer.ts"
import { simulatedClock, type SimulatedTime } from "./SimulatedClock.ts"
import type { ZoneOptions } from "./SimulatedZone.ts"
import { startSimulator } from "./Simulator.ts"

const usage = `Usage: cli.ts [options]
  --port N              API port (default: a free one)
  --host ADDRESS        API address (default 127.0.0.1)
  --control-port N      control port (default: a free one)
  --seed TEXT           seed of zones, tokens, records and faults (default 1)
  --zones N             number of Enterprise zones (default 1)
  --rate N              average records per second and zone (default 20)
  --started-at MS       Unix ms of the zones' first record (default: always)
  --no-retention        start with the log retention flag off
  --complete-fields     offer all fields of the dataset
  --epoch MS            simulated Unix ms at the real epoch (default: the real epoch)
  --real-epoch MS       real Unix ms at which simulated time is --epoch (default: now)
  --speed X             simulated seconds per real second (default 1)
  --fault-probability P random faults by seed on /logs/received, 0 to 1 (default 0)
  --stall-ms MS         how long a random stall lasts (default 35000)
  --unlimited           no request budgets`

const readArguments = () =>
  parseArgs({
    options: {
      port: { type: "string", default: "0" },
      host: { type: "string", default: "127.0.0.1" },
      "control-port": { type: "string", default: "0" },
      seed: { type: "string", default: "1" },
      zones: { type: "string", default: "1" },
      rate: { type: "string", default: "20" },
      "started-at": { type: "string" },
      "no-retention": { type: "boolean", default: false },
      "complete-fields": { type: "boolean", default: false },
      epoch: { type: "string" },
      "real-epoch": { type: "string" },
      speed: { type: "string", default: "1" },
      "fault-probability": { type: "string", default: "0" },
      "stall-ms": { type: "string" },
      unlimited: { type: "boolean", default: false },
      help: { type: "boolean", default: false }
    }
  }).values

const fail = (message: string): never => {
  process.stderr.write(`${message}\n${usage}\n`)
  process.exit(2)
}

const numberOf = (name: string, text: string): number => {
  const value = Number(text)
  return text.trim() === "" || !Number.isFinite(value) || value < 0
    ? fail(`--${name} must be a number of 0 or more, not ${JSON.stringify(text)}`)
    : value
}

const hexOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 32)

const main = async (): Promise<void> => {
  const values = (() => {
    try {
      return readArguments()
    } catch (cause) {
      return fail(cause instanceof Error ? cause.message : String(cause))
    }
  })()
  if (values.help) {
    process.stdout.write(`${usage}\n`)
    return
  }
  const optional = (name: "started-at" | "epoch" | "real-epoch" | "stall-ms"): number | undefined => {
    const text = values[name]
    return text === undefined ? undefined : numberOf(name, text)
  }
  const realEpochMs = optional("real-epoch") ?? Date.now()
  const time: SimulatedTime = {
    epochMs: optional("epoch") ?? realEpochMs,
    realEpochMs,
    speed: numberOf("speed", values.speed)
  }
  const zones = Array.from({ length: numberOf("zones", values.zones) }, (_, index): ZoneOptions => ({
    id: hexOf(`zone ${values.seed} ${index}`),
    name: index === 0 ? "example.com" : `example-${index}.com`,
    plan: "enterprise",
    retention: !values["no-retention"],
    recordsPerSecond: numberOf("rate", values.rate),
    seed: values.seed,
    startedAt: optional("started-at"),
    fieldSet: values["complete-fields"] ? "complete" : "standard"
  }))
  const tokens: ReadonlyArray<TokenOptions> = [
    {
      token: `simulator-write-${hexOf(`write ${values.seed}`)}`,
      status: "active",
      zones: "all",
      permissions: ["Zone Read", "Logs Read", "Logs Write"]
    },
    {
      token: `simulator-read-${hexOf(`read ${values.seed}`)}`,
      status: "active",
      zones: "all",
      permissions: ["Zone Read", "Logs Read"]
    }
  ]
  const unlimited = {
    perZonePerMinute: Infinity,
    perUserPerMinute: Infinity,
    perUserPerFiveMinutes: Infinity,
    timeoutsPerHour: Infinity
  }
  const simulator = await startSimulator({
    zones,
    tokens,
    host: values.host,
    port: numberOf("port", values.port),
    clock: simulatedClock(time),
    limits: values.unlimited ? unlimited : {}
  })
  const probability = numberOf("fault-probability", values["fault-probability"])
  if (probability > 0) simulator.faults.random({ seed: values.seed, probability, stallMs: optional("stall-ms") })
  const control = await startControlServer(simulator, numberOf("control-port", values["control-port"]))
  const stop = (): void => {
    Promise.all([simulator.stop(), control.stop()]).then(
      () => process.exit(0),
      (cause: unknown) => fail(String(cause))
    )
  }
  process.on("SIGINT", stop)
  process.on("SIGTERM", stop)
  process.stdout.write(
    `${JSON.stringify({ url: simulator.url, control: control.url, pid: process.pid, tokens, zones, time })}\n`
  )
}

await main()
