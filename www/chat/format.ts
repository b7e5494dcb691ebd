/** Numbers as people read them. */

export function bytes(count: number): string {
  if (count < 1e6) return `${Math.max(0, Math.round(count / 1e3))} kB`;
  if (count < 1e9) return `${(count / 1e6).toFixed(count < 1e7 ? 1 : 0)} MB`;
  return `${(count / 1e9).toFixed(2)} GB`;
}

export function seconds(ms: number): string {
  if (ms < 950) return `${Math.max(10, Math.round(ms / 10) * 10)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** "42 MB of 98 MB · 31 MB/s · 2 s left" */
export function transfer(loaded: number, total: number | undefined, elapsedMs: number): string {
  const parts = [total === undefined ? bytes(loaded) : `${bytes(loaded)} of ${bytes(total)}`];
  const rate = loaded / (elapsedMs / 1000);
  if (elapsedMs > 300 && rate > 0) {
    parts.push(`${bytes(rate)}/s`);
    if (total !== undefined && loaded < total) parts.push(`${seconds(((total - loaded) / rate) * 1000)} left`);
  }
  return parts.join(" · ");
}

export function parameters(count: number | undefined): string | undefined {
  if (!count) return undefined;
  return count < 1e9 ? `${Math.round(count / 1e6)}M` : `${(count / 1e9).toFixed(1)}B`;
}

export function rate(tokensPerSecond: number): string {
  return `${tokensPerSecond.toFixed(tokensPerSecond < 10 ? 1 : 0)} tokens/s`;
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
