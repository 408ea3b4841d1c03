import { defineConfig } from "vitest/config";

const shared = { pool: "forks", testTimeout: 120_000, dangerouslyIgnoreUnhandledErrors: false } as const;

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          ...shared,
          name: "project",
          include: ["src/**/*.test.ts", "test/**/*.test.ts", "studio/src/**/*.test.ts"],
          exclude: ["test/recipes/**"],
        },
      },
      // Whole trainings: minutes each, so `npm test` leaves them out.
      { test: { ...shared, name: "recipes", include: ["test/recipes/**/*.test.ts"], testTimeout: 1_800_000 } },
    ],
  },
});
