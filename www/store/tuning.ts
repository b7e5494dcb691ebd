/**
 * What the engine measured of its kernels, kept in the browser by adapter, so that it is measured once. Where nothing
 * can be kept (private windows, full disks) it is measured at each load.
 */
import { type UseStore, get, promisifyRequest, update } from "idb-keyval";
import type { LoadOptions, ModelInfo } from "../wire/protocol.js";

/** Grows with the kernels: what was measured of others says nothing. */
const VERSION = 3;

/** Closed after each use: an open database keeps other pages from deleting it. */
const store: UseStore = async (mode, use) => {
  const request = indexedDB.open("sotto");
  request.onupgradeneeded = () => request.result.createObjectStore("tuning");
  const database = await promisifyRequest(request);
  try {
    return await use(database.transaction("tuning", mode).objectStore("tuning"));
  } finally {
    database.close();
  }
};

type Adapter = Pick<NonNullable<ModelInfo["adapter"]>, "vendor" | "architecture" | "description"> | undefined;
type Precision = LoadOptions["precision"];

/** Where fewer bits are allowed, other kernels are measured. */
function key(adapter: Adapter, precision: Precision = "high"): string {
  const { vendor = "", architecture = "", description = "" } = adapter ?? {};
  return [VERSION, vendor, architecture, description, precision].join("/");
}

export async function readTuning(adapter: Adapter, precision: Precision): Promise<string[]> {
  try {
    const kept: unknown = await get(key(adapter, precision), store);
    return Array.isArray(kept) ? kept.filter((line) => typeof line === "string") : [];
  } catch {
    return [];
  }
}

/** Grows with what is measured. */
const RATES = "rates/1";
const ratesKey = (adapter: Adapter) => `${RATES}/${key(adapter, "high")}`;

/** How fast the device was found to be, kept as the tuning is. */
export async function readRates(adapter: Adapter): Promise<Record<string, number>> {
  const kept: unknown = await get(ratesKey(adapter), store).catch(() => undefined);
  return kept !== null && typeof kept === "object" ? (kept as Record<string, number>) : {};
}

export async function writeRates(adapter: Adapter, rates: Record<string, number | undefined>): Promise<void> {
  await update(ratesKey(adapter), () => rates, store).catch(() => {});
}

/** Adds lines (`product = way`) to those of other models. */
export async function writeTuning(adapter: Adapter, precision: Precision, lines: string[]): Promise<void> {
  const product = (line: string) => line.split(" = ")[0];
  const known = new Set(lines.map(product));
  try {
    await update<string[]>(
      key(adapter, precision),
      (kept = []) => [...kept.filter((line) => !known.has(product(line))), ...lines],
      store,
    );
  } catch {
    // It is measured again.
  }
}
