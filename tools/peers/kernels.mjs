// `node tools/peers/kernels.mjs [--runs 3]`: the CPU's matrix products alone, Sotto's beside ONNX Runtime Web's, in the
// same browser, in turn: 2048 x 2048 weights in 4 bits, one row of activations and 256. Medians of the runs.
import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launchBrowser } from "../browser.mjs";
import { ROOT, Stop, ensurePackages, run, tool } from "../setup.mjs";
import { openServers } from "./harness.mjs";
import { HERE, ensurePeerPackages, packageVersion, python } from "./install.mjs";
import { median, short } from "./table.mjs";

const FOLDER = join(HERE, ".models", "kernels");
const ROWS = [1, 256];

const WHO = [
  { label: "Sotto, 16-bit activations", call: "sotto", options: { url: "/model/model.gguf", threads: 1 } },
  {
    label: 'Sotto, precision "fast": 8-bit activations',
    call: "sotto",
    options: { url: "/model/model.gguf", threads: 1, precision: "fast" },
  },
  {
    label: "ONNX Runtime Web, f32 activations",
    call: "ort",
    options: { url: "/peers/.models/kernels/level0.onnx", threads: 1 },
  },
  {
    label: "ONNX Runtime Web, 8-bit activations",
    call: "ort",
    options: { url: "/peers/.models/kernels/level4.onnx", threads: 1 },
  },
];

async function once({ call, options }, servers, rows) {
  const { browser, page } = await launchBrowser(servers.plain.url);
  try {
    return await page.evaluate(async ({ call, options }) => (await import("/peers/kernels.js"))[call](options), {
      call,
      options: { ...options, rows },
    });
  } finally {
    await browser.close();
  }
}

await tool(async () => {
  const { values } = parseArgs({ options: { runs: { type: "string", default: "3" } } });
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) throw new Stop(`--runs needs a whole number from 1, not "${values.runs}".`);
  ensurePackages();
  ensurePeerPackages();
  if (!existsSync(FOLDER)) {
    rmSync(`${FOLDER}.part`, { recursive: true, force: true });
    run(python(), [join(HERE, "kernel_models.py"), `${FOLDER}.part`]);
    renameSync(`${FOLDER}.part`, FOLDER);
  }
  if (!existsSync(join(ROOT, "dist", "sotto_bg.wasm"))) await (await import("../build.mjs")).build();
  const servers = await openServers(join(FOLDER, "model.gguf"));
  const rates = WHO.map(() => ROWS.map(() => []));
  try {
    for (let run = 0; run < runs; run++) {
      for (const [i, who] of WHO.entries()) {
        for (const [j, rows] of ROWS.entries()) rates[i][j].push(await once(who, servers, rows));
      }
    }
  } finally {
    servers.close();
  }
  console.log(
    `2048 x 2048, 4 bits, one thread, G multiply-adds/s, medians of ${runs}; ONNX Runtime Web ${packageVersion("onnxruntime-web")}\n`,
  );
  console.log("|  | 1 row | 256 rows |\n| --- | --- | --- |");
  for (const [i, { label }] of WHO.entries())
    console.log(`| ${label} | ${rates[i].map((all) => short(median(all))).join(" | ")} |`);
});
