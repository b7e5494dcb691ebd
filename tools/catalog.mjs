// `npm run catalog`: compares every row of www/catalog/catalog.json with the hub's own list: that the file is there, its size,
// its licence. `-- NAME` checks the rows whose names hold NAME. Without a hub it says so, and fails nothing.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, Stop, tool } from "./setup.mjs";

const HUB = process.env.HF_ENDPOINT ?? "https://huggingface.co";
/** Sizes in the catalogue are rounded, and files are made anew. */
const TOLERANCE = 0.03;

await tool(async () => {
  const [wanted = ""] = process.argv.slice(2);
  const { models } = JSON.parse(readFileSync(join(ROOT, "www", "catalog", "catalog.json"), "utf8"));
  const rows = models.filter(({ name }) => name.toLowerCase().includes(wanted.toLowerCase()));
  if (rows.length === 0) throw new Stop(`no row of the catalogue is named like "${wanted}".`);
  if (!(await ask("/api/models?limit=1").catch(() => undefined))) {
    console.error(`${HUB} is not within reach: nothing was checked.`);
    return;
  }
  let wrong = 0;
  for (const row of rows) {
    const faults = await check(row).catch((error) => [error.message]);
    console.log(`${faults.length === 0 ? "ok   " : "WRONG"} ${row.name} ${faults.join("; ")}`);
    wrong += faults.length > 0 ? 1 : 0;
  }
  if (wrong > 0) throw new Stop(`${wrong} of ${rows.length} rows are not as the hub has them.`);
});

async function ask(path) {
  const response = await fetch(`${HUB}${path}`, { signal: AbortSignal.timeout(20_000) });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.json();
}

async function check({ source, bytes, license }) {
  const [, repo, path, quantization] = /^hf:([\w.-]+\/[\w.-]+)(?:\/(.+\.gguf)|:(.+))$/.exec(source);
  const [files, facts] = await Promise.all([
    ask(`/api/models/${repo}/tree/main?recursive=true`),
    ask(`/api/models/${repo}`),
  ]);
  const ends = new RegExp(`[-._]${quantization}(-\\d{5}-of-\\d{5})?\\.gguf$`, "i");
  const found = files.filter((file) => (path ? file.path === path : ends.test(file.path)));
  const whole = found.filter((file) => !/-of-\d{5}/.test(file.path));
  const faults = [];
  if (found.length === 0) faults.push(`there is no ${path ?? quantization}`);
  const size = (whole.length > 0 ? [whole[0]] : found).reduce((sum, file) => sum + file.size, 0);
  if (found.length > 0 && Math.abs(size / bytes - 1) > TOLERANCE) faults.push(`it has ${size} bytes, not ${bytes}`);
  const named = facts.cardData?.license_name ?? facts.cardData?.license;
  if (named && named !== "other" && named !== license) faults.push(`its licence is ${named}, not ${license}`);
  return faults;
}
