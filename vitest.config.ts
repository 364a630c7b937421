import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["packages/*/test/**/*.test.ts", "appliance/test/**/*.test.ts", "bench/test/**/*.test.ts"],
    // Most of the time of most files is waiting for servers and processes, so that two cores have work for three files.
    maxWorkers: 3,
    // A test's own limit says what it waits for; this one is for those that compute, on a machine that is busy.
    testTimeout: 30_000,
    globalSetup: ["packages/server/test/TestDatabaseServer.ts"]
  }
})
