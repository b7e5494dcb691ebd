/**
 * What the engine measured of its kernels, kept in the browser by adapter, so that it is measured once. Where nothing
 * can be kept (private windows, full disks) it is measured at each load.
 */
import { createStore, get, update } from "idb-keyval";
import type { EngineLoadOptions } from "./engine.js";

/** Grows with the kernels: what was measured of others says nothing. */
const VERSION = 1;

const store = () => createStore("sotto", "tuning");

function key(adapter: EngineLoadOptions["adapter"]): string {
  const { vendor = "", architecture = "", description = "" } = adapter ?? {};
  return [VERSION, vendor, architecture, description].join("/");
}

export async function readTuning(adapter: EngineLoadOptions["adapter"]): Promise<string[]> {
  try {
    const kept: unknown = await get(key(adapter), store());
    return Array.isArray(kept) ? kept.filter((line) => typeof line === "string") : [];
  } catch {
    return [];
  }
}

/** Adds lines (`product = way`) to those of other models. */
export async function writeTuning(adapter: EngineLoadOptions["adapter"], lines: string[]): Promise<void> {
  const product = (line: string) => line.split(" = ")[0];
  const known = new Set(lines.map(product));
  try {
    await update<string[]>(key(adapter), (kept = []) => [...kept.filter((line) => !known.has(product(line))), ...lines], store());
  } catch {
    // It is measured again.
  }
}
