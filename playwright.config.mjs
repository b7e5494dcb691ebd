import { chromiumArgs, ensureChromium } from "./tools/setup.mjs";
import { QUICK_COMPILE, softGpu } from "./tools/soft-gpu/setup.mjs";

// The commands that tests start have it, too.
Object.assign(process.env, QUICK_COMPILE);

const { label, reason, ...lavapipe } = await softGpu();

// Compiling all variants takes ten minutes on software, and each value of each choice four: both are for a run by hand.
const CHOICES = ["few", "each", "all"];
const kernels = process.env.SOTTO_KERNELS ?? CHOICES[0];
if (!CHOICES.includes(kernels)) throw new Error(`SOTTO_KERNELS is "${kernels}"; it can be ${CHOICES.join(", ")}.`);

const swiftshader = {
  name: "swiftshader",
  use: { launchOptions: { executablePath: ensureChromium(), args: chromiumArgs("swiftshader") } },
  metadata: { says: `All tests run on SwiftShader, without f16 and with subgroups of 4: ${reason}`, kernels },
};

/**
 * What SwiftShader's 4 lanes without f16 change is tested on it; everything is, where there is no other adapter. Kernels
 * compile for 4 lanes in half the time that they take for 8, so those that need no more run there.
 */
const projects = reason
  ? [swiftshader]
  : [
      // The longest test by far: first, so that the others run beside it.
      {
        name: "lavapipe-4-lanes",
        use: { launchOptions: { ...lavapipe, env: { ...lavapipe.env, LP_NATIVE_VECTOR_WIDTH: "128" } } },
        grep: /@4-lanes/,
        metadata: { says: `The kernels run on ${label}, with f16 and subgroups of 4;`, kernels },
      },
      {
        name: "lavapipe",
        use: { launchOptions: lavapipe },
        metadata: { says: "all tests on it with subgroups of 8;", kernels: "wide" },
      },
      {
        ...swiftshader,
        grep: /@swiftshader/,
        metadata: { says: "a part of them also on SwiftShader, without f16 and with subgroups of 4.", kernels: "few" },
      },
    ];

export default {
  testDir: "tests/web",
  testMatch: "*.spec.ts",
  globalSetup: "./tests/web/say.ts",
  outputDir: "test-results/playwright",
  // The software adapter computes on all cores, but much of a test's time is one core's: loads, compilers, waiting.
  workers: 2,
  timeout: 300_000,
  expect: { timeout: 20_000 },
  forbidOnly: !!process.env.CI,
  // One that passes at its second try is listed as flaky, and is to be looked into.
  retries: 1,
  reporter: [["list"]],
  projects,
};
