// What measurements of a model in a page share: their flags, the model's server and the browser, and the figure that is told of
// several rounds.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launchBrowser } from "../browser.mjs";
import { serveModel } from "../serve.mjs";
import { ROOT } from "../setup.mjs";

const MODEL = "models/SmolLM2-135M-Instruct.Q4_1.gguf";

/** Of a list with an even number of values, the larger of the two in its middle. */
export const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

/**
 * Calls `work` with a page of headless Chromium on which the built package is at `/dist` and the model at `/model.gguf`, the flags'
 * values, and the options of `load` that they mean. `own`: the measurement's flags beside `--model`, `--backend` and `--threads`, with
 * what each is where it is not given.
 */
export async function inBrowser(own, work) {
  const standard = { model: join(ROOT, MODEL), backend: "cpu", threads: "1", ...own };
  const options = Object.entries(standard).map(([name, value]) => [name, { type: "string", default: value }]);
  const { values } = parseArgs({ options: Object.fromEntries(options) });
  const { model, backend, threads } = values;
  const server = await serveModel(model);
  const { browser, page } = await launchBrowser(server.url, { webgpu: backend === "webgpu" });
  try {
    await work(page, values, { backend, ...(backend === "cpu" && { threads: Number(threads) }) });
  } finally {
    await browser.close();
    server.close();
  }
}
