// What commands print.

/** One JSON value: an array for a batch, else the one result. */
export function print(inputs, results) {
  const batch = inputs.some(({ name }) => name !== undefined) || results.length !== 1;
  console.log(JSON.stringify(batch ? results : results[0]));
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
