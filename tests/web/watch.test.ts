import { afterAll, expect, test, vi } from "vitest";
import { watch } from "../../www/api/watch.js";

afterAll(() => void vi.useRealTimers());

test("it tells at once and then every so often, until it is stopped", async () => {
  vi.useFakeTimers();
  let asked = 0;
  const told: number[] = [];
  const stop = watch(
    async () => ++asked,
    (value) => told.push(value),
    50,
  );
  await vi.advanceTimersByTimeAsync(120);
  expect(told).toEqual([1, 2, 3]);
  stop();
  await vi.advanceTimersByTimeAsync(500);
  expect(told).toEqual([1, 2, 3]);
});

test("it ends where asking fails, and what comes after its stop is not told", async () => {
  vi.useFakeTimers();
  let asked = 0;
  const told: number[] = [];
  watch(
    async () => {
      if (++asked > 2) throw new Error("disposed");
      return asked;
    },
    (value) => told.push(value),
    50,
  );
  const stop = watch(
    async () => 7,
    (value) => told.push(value),
    50,
  );
  stop();
  await vi.advanceTimersByTimeAsync(500);
  expect([told, asked]).toEqual([[1, 2], 3]);
});

test("a listener that throws is told of once, and asked no more; what is none is refused", async () => {
  vi.useFakeTimers();
  const reported: unknown[] = [];
  vi.stubGlobal("reportError", (error: unknown) => reported.push(error));
  let told = 0;
  watch(
    async () => 1,
    () => {
      told++;
      throw new Error("mine");
    },
    50,
  );
  await vi.advanceTimersByTimeAsync(500);
  vi.unstubAllGlobals();
  expect([told, reported]).toEqual([1, [new Error("mine")]]);
  expect(() => watch(async () => 1, undefined as never, 50)).toThrow(/the listener is undefined; give a function/);
});

test("how often is checked", () => {
  for (const every of [0, -1, Number.NaN, Infinity, "50" as unknown as number])
    expect(() =>
      watch(
        async () => 1,
        () => {},
        every,
      ),
    ).toThrow(/every is .*; give milliseconds from 10 to 2147483647/);
});
