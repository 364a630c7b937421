/**
 * Benchmark `archive`: the whole road behind the collection, with the embedded PostgreSQL, the fsynced file-system store
 * and the published ledger. Target: 100 MB/s per core.
 */
import type { ArchiveReport } from "./ArchiveProcess.ts"
import { type Bench, rounded } from "./Bench.ts"
import { benchOnGenerated } from "./MeasuredProcess.ts"

/** The benchmark. It fails when a record is missing. */
export const archive: Bench = {
  name: "archive",
  about: "archive generated records: leases, sealing, fsynced store, ledger, checkpoint",
  run: (options) =>
    benchOnGenerated<ArchiveReport>(
      { ...options, name: "archive", script: "ArchiveProcess.ts" },
      (report) => ({ windows: report.windows, databaseCpuSeconds: rounded(report.databaseCpuSeconds) })
    )
}
