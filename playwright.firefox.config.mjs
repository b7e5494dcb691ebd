import base from "./playwright.config.mjs";

/** What needs no WebGPU, in Playwright's Firefox: `npx playwright install firefox` brings it. */
export default {
  ...base,
  projects: undefined,
  testMatch: ["chat.spec.ts", "consumers.spec.ts", "engine.spec.ts", "threads.spec.ts"],
  grepInvert: /webgpu/i,
  use: {
    browserName: "firefox",
    // A mouse that points finely and hovers: without a screen Firefox knows of none.
    launchOptions: { firefoxUserPrefs: { "ui.primaryPointerCapabilities": 6 } },
  },
};
