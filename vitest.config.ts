import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["packages/*/test/**/*.test.ts", "appliance/test/**/*.test.ts", "bench/test/**/*.test.ts"],
    // Most of the time of most files is waiting for servers and processes, so that two cores have work for three files.
    maxWorkers: 3,
    globalSetup: ["packages/server/test/TestDatabaseServer.ts"]
  }
})
