import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

/**
 * Begins with the appliance's tests, which start processes and take longest, so that the run does not end with one of
 * them alone. Vitest's own order is by the size of a file, which says little of its time.
 */
class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const sorted = await super.sort(files)
    const isLong = ({ moduleId }: TestSpecification) => moduleId.includes("/appliance/test/")
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

export default defineConfig({
  test: {
    include: ["packages/*/test/**/*.test.ts", "appliance/test/**/*.test.ts", "bench/test/**/*.test.ts"],
    sequence: { sequencer: LongestFirst },
    // Most of the time of most files is waiting for servers and processes, so that two cores have work for three files.
    maxWorkers: 3,
    // A test's own limit says what it waits for; this one is for those that compute, on a machine that is busy.
    testTimeout: 30_000,
    globalSetup: ["packages/server/test/TestDatabaseServer.ts"]
  }
})
