// Medians of the runs, ratios to Sotto, and the printed table.

/** What is measured, in the order of the columns. */
export const MEASURES = ["loadMs", "readyMs", "ttftMs", "prefillTps", "decodeTps", "wasmBytes", "gpuBytes"];

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** One row: medians over the runs that finished, or the reason why none did. */
export function summarise(name, label, runs) {
  const good = runs.filter((run) => !run.failed);
  const failed = runs.find((run) => run.failed)?.failed;
  if (good.length === 0) return { name, label, failed: failed ?? "not run" };
  const row = { name, label, runs: good.length, backend: good[0].backend, adapter: good[0].adapter };
  for (const measure of MEASURES) row[measure] = median(good.map((run) => run[measure]));
  return failed ? { ...row, note: `${runs.length - good.length} of ${runs.length} runs failed: ${failed}` } : row;
}

/** Adds `ratios` (Sotto's rate over the peer's) where both have figures; `rivals` names the rows to compare with, the best first. */
export function withRatios(rows) {
  const measured = (name) => rows.find((row) => row.name === name && !row.failed);
  return rows.map((row) => {
    const sotto = (row.rivals ?? ["sotto"]).map(measured).find(Boolean);
    if (!sotto || row === sotto || row.failed) return row;
    return { ...row, ratios: { prefill: sotto.prefillTps / row.prefillTps, decode: sotto.decodeTps / row.decodeTps } };
  });
}

const COLUMNS = [
  ["", ({ label }) => label],
  ["backend", ({ backend }) => backend],
  ["load s", ({ loadMs }) => short(loadMs / 1e3)],
  ["load and warm-up s", ({ readyMs }) => short(readyMs / 1e3)],
  ["first token s", ({ ttftMs }) => short(ttftMs / 1e3)],
  ["prefill tokens/s", ({ prefillTps }) => short(prefillTps)],
  ["decode tokens/s", ({ decodeTps }) => short(decodeTps)],
  ["wasm MB", ({ wasmBytes }) => short(wasmBytes / 1e6)],
  ["GPU MB", ({ gpuBytes }) => short(gpuBytes / 1e6)],
  ["first load MB", ({ firstLoadBytes }) => short(firstLoadBytes / 1e6)],
  ["Sotto / peer: prefill", ({ ratios }) => (ratios ? `${short(ratios.prefill)}×` : "")],
  ["decode", ({ ratios }) => (ratios ? `${short(ratios.decode)}×` : "")],
];

/** Three significant digits, never in exponents. */
export function short(number) {
  if (!Number.isFinite(number)) return "–";
  if (number === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(number))));
  return number.toFixed(Math.min(digits, 4));
}

/** A Markdown table; a peer without figures is a row with its reason. */
export function table(rows) {
  const lines = [COLUMNS.map(([title]) => title), COLUMNS.map(() => "---")];
  for (const row of rows) {
    lines.push(
      row.failed ? [row.label, row.failed, ...COLUMNS.slice(2).map(() => "")] : COLUMNS.map(([, cell]) => cell(row)),
    );
  }
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
