// `npm run bench:peers`: the same weights, prompt and browser through Sotto and its peers, in turn.
import { existsSync, statSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { PEERS } from "./peers.mjs";
import { ROOT, Stop, ensurePackages, tool } from "../setup.mjs";
import { summarise, table, withRatios } from "./table.mjs";

const USAGE = `bench:peers [--model FILE]… [--peers ${Object.keys(PEERS).join(",")}] [--prompt-tokens 256] [--gen-tokens 64] [--runs 3] [--warmup-tokens 32] [--timeout 1800] [--out FILE.json] [--json] [--verbose]`;
const NUMBERS = { "prompt-tokens": 256, "gen-tokens": 64, runs: 3, "warmup-tokens": 32, timeout: 1800 };

/** The command line as values; throws a Stop that names what is wrong. */
export function readArguments(args) {
  const text = { type: "string" };
  const flag = { type: "boolean", default: false };
  const options = {
    model: { ...text, multiple: true, default: [] },
    peers: { ...text, default: Object.keys(PEERS).join(",") },
    out: text,
    json: flag,
    verbose: flag,
    help: { ...flag, short: "h" },
    ...Object.fromEntries(Object.entries(NUMBERS).map(([name, value]) => [name, { ...text, default: String(value) }])),
  };
  let values;
  try {
    ({ values } = parseArgs({ args, options }));
  } catch (error) {
    throw new Stop(`${error.message.split(". ")[0]}; usage: ${USAGE}`);
  }
  for (const name of Object.keys(NUMBERS)) {
    const number = Number(values[name]);
    const least = { "warmup-tokens": 0, "gen-tokens": 2 }[name] ?? 1;
    if (!Number.isInteger(number) || number < least)
      throw new Stop(`--${name} needs a whole number from ${least}, not "${values[name]}".`);
    values[name] = number;
  }
  values.peers = values.peers.split(",").map((name) => name.trim());
  const unknown = values.peers.find((name) => !PEERS[name]);
  if (unknown !== undefined)
    throw new Stop(`there is no peer "${unknown}"; the names are ${Object.keys(PEERS).join(", ")}.`);
  return values;
}

async function benchModel(model, values) {
  const { ensureGraph, packageVersion } = await import("./install.mjs");
  const { findAdapter, firstLoad, measure, openServers } = await import("./harness.mjs");
  const {
    "prompt-tokens": promptTokens,
    "gen-tokens": genTokens,
    runs,
    "warmup-tokens": warmupTokens,
    timeout,
  } = values;
  const work = {
    modelUrl: `/model/${encodeURIComponent(basename(model))}`,
    // Room for the longer of the two generations, alike for all.
    context: Math.ceil((Math.max(promptTokens, warmupTokens) + genTokens + 1) / 256) * 256,
    promptTokens,
    warmupTokens,
    genTokens,
  };
  let graphFailed;
  if (values.peers.some((name) => PEERS[name].graphs)) {
    try {
      work.modelFolder = `/peers/.models/${encodeURIComponent(ensureGraph(model))}`;
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      graphFailed = `no ONNX graph: ${error.message}`;
    }
  }
  const measured = Object.fromEntries(values.peers.map((name) => [name, []]));
  const servers = await openServers(model);
  let adapter;
  try {
    adapter = await findAdapter(servers, values.peers);
    for (let run = 1; run <= runs; run++) {
      for (const name of values.peers) {
        const peer = PEERS[name];
        // What says that it cannot run will say so again.
        if (measured[name][0]?.failed?.startsWith("not run")) continue;
        const result =
          peer.graphs && graphFailed
            ? { failed: graphFailed }
            : await measure(peer, servers, work, {
                adapter: adapter?.name,
                timeoutS: timeout,
                verbose: values.verbose,
              });
        measured[name].push(result);
        const said =
          result.failed ?? `prefill ${result.prefillTps.toFixed(2)}, decode ${result.decodeTps.toFixed(3)} tokens/s`;
        console.error(`run ${run} of ${runs}, ${peer.label}: ${said}`);
      }
    }
  } finally {
    servers.close();
  }
  const rows = values.peers.map((name) => {
    const { label, package: pack, rivals } = PEERS[name];
    const row = {
      ...summarise(name, pack ? `${label} (${packageVersion(pack)})` : label, measured[name]),
      rivals: rivals ?? [],
    };
    return row.failed ? row : { ...row, firstLoadBytes: firstLoad(PEERS[name]) };
  });
  return {
    model: basename(model),
    promptTokens,
    genTokens,
    runs,
    warmupTokens,
    context: work.context,
    adapter: adapter?.label,
    rows: withRatios(rows),
    measured,
  };
}

function print({ model, promptTokens, genTokens, runs, adapter = "none", rows }) {
  // What pages are told of it.
  const names = [...new Set(rows.map(({ adapter }) => adapter).filter(Boolean))].map((name) => ` "${name}"`).join(",");
  console.log(
    `\n${model}: ${promptTokens} prompt tokens, ${genTokens} generated, medians of ${runs}; adapter: ${adapter}${names}\n\n${table(rows)}`,
  );
  for (const { label, note } of rows) if (note) console.log(`\n${label}: ${note}`);
}

async function main(args) {
  const values = readArguments(args);
  if (values.help) return console.log(`usage: ${USAGE}`);
  ensurePackages();
  const { ensurePeerPackages } = await import("./install.mjs");
  ensurePeerPackages();
  if (!existsSync(join(ROOT, "dist", "sotto_bg.wasm"))) await (await import("../build.mjs")).build();
  const { MODELS, fetchModel } = await import("../fetch-models.mjs");
  const models = values.model.map((path) => resolve(path));
  const missing = models.find((path) => !statSync(path, { throwIfNoEntry: false })?.isFile());
  if (missing) throw new Stop(`there is no file ${missing}.`);
  if (models.length === 0) for (const name of Object.keys(MODELS)) models.push(await fetchModel(name));
  const results = [];
  for (const model of models) {
    const result = await benchModel(model, values);
    results.push(result);
    if (values.out) writeFileSync(values.out, `${JSON.stringify(results, null, 1)}\n`);
    if (!values.json) print(result);
  }
  if (values.json) console.log(JSON.stringify(results));
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  await tool(() => main(process.argv.slice(2)));
