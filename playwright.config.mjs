import { chromiumArgs, ensureChromium } from "./tools/setup.mjs";

export default {
  testDir: "tests/web",
  testMatch: "*.spec.ts",
  outputDir: "test-results/playwright",
  // The software adapter takes a whole core, and its first shaders are slow to compile.
  workers: 1,
  timeout: 300_000,
  expect: { timeout: 20_000 },
  forbidOnly: !!process.env.CI,
  reporter: [["list"]],
  use: {
    launchOptions: { executablePath: ensureChromium(), args: chromiumArgs("swiftshader") },
  },
};
