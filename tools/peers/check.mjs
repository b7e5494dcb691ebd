// `node tools/peers/check.mjs MODEL.gguf GOLDEN.json [PROMPTS] [STEPS]`: is the ONNX graph the same
// model? Its 8-bit form against the float32 reference: the ten best logits after a prompt, and
// greedy tokens. Needs `npm run bench:peers` to have been run once.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { launchBrowser } from "../browser.mjs";
import { Stop, tool } from "../setup.mjs";
import { openServers } from "./harness.mjs";
import { ensureGraph } from "./install.mjs";

/** Activations and attention differ in rounding only; 8-bit weights move logits of 20 by 0.1 or so. */
const TOLERANCE = 0.5;

await tool(async () => {
  const [model, golden, count = "1", steps = "0"] = process.argv.slice(2);
  if (!golden) throw new Stop("usage: node tools/peers/check.mjs MODEL.gguf GOLDEN.json [PROMPTS] [STEPS]");
  const prompts = JSON.parse(readFileSync(golden, "utf8"));
  const shortest = prompts.sort((a, b) => a.token_ids.length - b.token_ids.length).slice(0, Number(count));
  const folder = `/peers/.models/${encodeURIComponent(ensureGraph(resolve(model), { bits8: true }))}`;
  const servers = await openServers(resolve(model));
  const { browser, page } = await launchBrowser(servers.plain.url, { webgpu: true });
  try {
    for (const { name, token_ids, top10, greedy_ids } of shortest) {
      const { worst, tokens } = await page.evaluate(inPage, {
        folder,
        ids: token_ids,
        top: top10,
        steps: Number(steps),
      });
      const wanted = greedy_ids.slice(0, tokens.length);
      const greedy =
        `${tokens}` === `${wanted}`
          ? `${tokens.length} greedy tokens equal`
          : `greedy tokens ${tokens} instead of ${wanted}`;
      console.log(
        `${name}: ${token_ids.length} tokens, best ten logits within ${worst.toFixed(3)}${tokens.length > 0 ? `, ${greedy}` : ""}`,
      );
      if (!(worst <= TOLERANCE)) throw new Stop(`the graph's logits are ${worst} off; it is another model.`);
    }
  } finally {
    await browser.close();
    servers.close();
  }
});

/** Runs inside the page. */
async function inPage({ folder, ids, top, steps }) {
  const { best, loadGraph } = await import("/peers/ort.js");
  globalThis.graph ??= await loadGraph({ folder, graph: "model.onnx", context: 2048 });
  const { graph } = globalThis;
  graph.reset();
  let logits = await graph.step(ids);
  const worst = Math.max(...top.map(([id, logit]) => Math.abs(logits[id] - logit)));
  const tokens = [];
  for (let i = 0; i < steps; i++) {
    tokens.push(best(logits));
    logits = await graph.step([tokens.at(-1)]);
  }
  return { worst, tokens };
}
