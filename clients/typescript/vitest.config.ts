import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/harness/global_setup.ts"],
    // A server starts within seconds; on a busy machine it may take longer.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    maxWorkers: 2,
    pool: "threads",
    isolate: false,
  },
});
