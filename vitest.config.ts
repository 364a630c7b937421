import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["packages/*/test/**/*.test.ts", "appliance/test/**/*.test.ts", "bench/test/**/*.test.ts"],
    // Most of the time of most files is waiting for servers and processes; the default on two cores is one file at a time.
    maxWorkers: 2,
    globalSetup: ["packages/server/test/TestDatabaseServer.ts"]
  }
})
