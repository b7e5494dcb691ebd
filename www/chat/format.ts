/** Numbers and names as people read them. */
import type { ModelInfo } from "sotto";

export function bytes(count: number): string {
  if (count < 1e6) return `${Math.max(0, Math.round(count / 1e3))} kB`;
  if (count < 1e9) return `${(count / 1e6).toFixed(count < 1e7 ? 1 : 0)} MB`;
  return `${(count / 1e9).toFixed(2)} GB`;
}

export function parameters(count: number | undefined): string | undefined {
  if (!count) return undefined;
  return count < 1e9 ? `${Math.round(count / 1e6)}M` : `${(count / 1e9).toFixed(1)}B`;
}

/** How many there are of something: "1 passage", "2 passages". */
export const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;

export function rate(tokensPerSecond: number): string {
  return `${tokensPerSecond.toFixed(tokensPerSecond < 10 ? 1 : 0)} tokens/s`;
}

export function seconds(ms: number): string {
  return ms < 950 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** What a model runs on. */
export function deviceOf({ adapter, threads }: Pick<ModelInfo, "adapter" | "threads">): string {
  if (!adapter) return threads > 1 ? `the CPU, ${threads} threads` : "the CPU";
  return adapter.description || [adapter.vendor, adapter.architecture].filter(Boolean).join(" ") || "WebGPU";
}

/** The name of the file at an address, as people write it. */
export function fileName(url: string): string {
  const name = url.split(/[?#]/)[0]!.split("/").at(-1) || url;
  try {
    return decodeURIComponent(name);
  } catch {
    // Not every % begins a code.
    return name;
  }
}

/** A conversation's name: how its first message begins. */
export function titleOf(text: string): string {
  const line = text.trim().split("\n")[0]!;
  return line.length > 60 ? `${line.slice(0, 60).replace(/\s+\S*$/, "")}…` : line;
}
