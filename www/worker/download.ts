/** Brings a file of the store from its server: in parts at the same time, each written straight to its place. */
import type { Kept } from "../store/kept.js";
import { type Answer, type Patience, type Target, part } from "./remote.js";

/** What one request asks for. */
export const SEGMENT = 16 << 20;
/** Requests at a time. */
const LANES = 4;

/**
 * Fetches what is missing; `first` has answered for the first gap. Throws what the network or the store failed with, after
 * the last byte was written.
 */
export async function download(
  kept: Kept,
  target: Target,
  first: Answer,
  signal: AbortSignal,
  patience: Patience,
  onBytes: () => void,
): Promise<void> {
  const { size: total, validator } = kept.journal.facts;
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const bring = async (start: number, end: number | undefined, first?: Answer) => {
    let at = start;
    for await (const bytes of part(target, { start, end, validator, total, first }, either, patience)) {
      kept.write(at, bytes);
      at += bytes.length;
      onBytes();
    }
  };
  if (!first.ranged || total === undefined) {
    await bring(0, undefined, first);
    return kept.end();
  }
  const gaps = kept.journal.gaps(SEGMENT);
  let answer: Answer | undefined = first;
  const lane = async () => {
    for (let gap = gaps.shift(); gap; gap = gaps.shift()) {
      const mine = answer;
      answer = undefined;
      await bring(gap.start, gap.end, mine);
    }
  };
  const lanes = Array.from({ length: Math.min(LANES, gaps.length) }, () =>
    lane().catch((error) => {
      stop.abort();
      throw error;
    }),
  );
  const ends = await Promise.allSettled(lanes);
  // The first to fail has stopped the others.
  const failed = ends.flatMap((end) => (end.status === "rejected" ? [end.reason] : []));
  if (failed.length > 0) throw failed.find((error) => error?.code !== "aborted") ?? failed[0];
  kept.end();
}
