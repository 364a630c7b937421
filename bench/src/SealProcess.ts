/**
 * The measured process of the seal benchmark: `SealProcess.ts <input file> <directory>` seals the file as one window
 * and prints what it took as JSON. It does nothing else, so its memory is the memory of sealing.
 */
import type { SealedWindow } from "@rainlogs/core/archive/SealedObjectStore"
import { Sealer } from "@rainlogs/core/archive/Sealer"
import { makeOrigin } from "@rainlogs/core/domain/Customer"
import { CustomerId, JobId, ZoneId } from "@rainlogs/core/domain/Identifier"
import * as KmsLocal from "@rainlogs/core/secrets/KmsLocal"
import { readFile } from "@rainlogs/core/storage/FileBytes"
import * as ObjectStoreFileSystem from "@rainlogs/core/storage/ObjectStoreFileSystem"
import { Effect, Layer, ManagedRuntime } from "effect"
import { join } from "node:path"
import { measure } from "./Measure.ts"
import type { FileReport } from "./MeasuredProcess.ts"

const [input = "", directory = ""] = process.argv.slice(2)
const customer = CustomerId.make("01980000-0000-7000-8000-000000000001")

const live = Sealer.layer({ spool: join(directory, "spool") }).pipe(Layer.provide([
  ObjectStoreFileSystem.layer(join(directory, "archive")),
  KmsLocal.layer({ file: join(directory, "master.key") })
]))
const runtime = ManagedRuntime.make(live)
const sealer = await runtime.runPromise(Sealer)

const seal: Effect.Effect<SealedWindow, unknown> = Effect.scoped(sealer.seal({
  origin: makeOrigin("bench.example.eu", customer),
  customer,
  chain: ZoneId.make("01980000-0000-7000-8000-000000000002"),
  job: JobId.make("01980000-0000-7000-8000-000000000003"),
  window: { from: 1767225600000, to: 1767226200000 },
  params: null,
  fidelity: "complete",
  bytes: readFile("bench", input, input)
}))

const { cpuSeconds, peakRssMb, value: { object }, wallSeconds } = await measure(() => runtime.runPromise(seal))
const report: FileReport = {
  cpuSeconds,
  wallSeconds,
  peakRssMb,
  plainBytes: object.plainSize,
  storedBytes: object.size,
  records: object.records
}
process.stdout.write(`${JSON.stringify(report)}\n`)
await runtime.dispose()
