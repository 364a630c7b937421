import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["packages/*/test/**/*.test.ts", "appliance/test/**/*.test.ts", "bench/test/**/*.test.ts"],
    globalSetup: ["packages/server/test/TestDatabaseServer.ts"]
  }
})
