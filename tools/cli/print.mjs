// What commands print.
import { Console } from "node:console";
import { Stop, fail } from "../setup.mjs";

/** The status that a shell gives a program whose reader is gone (128 and the number of the signal). */
const READER_GONE = 141;

// A reader that is gone ends a command quietly; what else keeps it from printing ends it with a sentence.
process.stdout.on("error", ({ code, message }) => {
  if (code === "EPIPE") process.exit(READER_GONE);
  fail(new Stop(`what the command prints could not be written (${code ?? message}).`));
});
process.stderr.on("error", () => {});

/** As `console`, which would say nothing of what could not be written. */
export const out = new Console({ stdout: process.stdout, stderr: process.stderr, ignoreErrors: false });

/** One JSON value: an array for a batch, else the one result. */
export function print(inputs, results) {
  const batch = inputs.some(({ name }) => name !== undefined) || results.length !== 1;
  out.log(JSON.stringify(batch ? results : results[0]));
}

export const named = (name, result) => ({ ...(name !== undefined && { name }), ...result });

export function memory({ wasmBytes, gpuBytes }) {
  return { wasm_peak_bytes: wasmBytes, gpu_bytes: gpuBytes };
}

/** The GPU's name; null on the CPU. */
export function adapter({ adapter }) {
  return adapter && (adapter.description || [adapter.vendor, adapter.architecture].filter(Boolean).join(" "));
}

export function round(value) {
  return typeof value === "number" ? (Number.isInteger(value) ? value : +value.toPrecision(5)) : value;
}

export function rounded(row) {
  return Object.fromEntries(Object.entries(row).map(([key, value]) => [key, round(value)]));
}

/** The engine's names as the commands' JSON writes them. */
export function snakeCase(value) {
  if (Array.isArray(value)) return value.map(snakeCase);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      snakeCase(member),
    ]),
  );
}
