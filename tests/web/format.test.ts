import { expect, test } from "vitest";
import { entries, search } from "../../www/chat/catalogue.js";
import { pointsOf } from "../../www/chat/live.js";
import { bytes, counted, fileName, parameters, rate, titleOf } from "../../www/chat/format.js";

test("the name of the file at an address, whatever the address is", () => {
  expect(fileName("https://x.org/a/My%20model.gguf?download=true#x")).toBe("My model.gguf");
  expect(fileName("https://x.org/50%.gguf")).toBe("50%.gguf");
  expect(fileName("https://x.org/%E0%A4%A.gguf")).toBe("%E0%A4%A.gguf");
  expect(fileName("https://x.org/")).toBe("https://x.org/");
});

test("numbers read well", () => {
  expect(bytes(98_362_432)).toBe("98 MB");
  expect(bytes(1_234_567)).toBe("1.2 MB");
  expect(bytes(4_700_000_000)).toBe("4.70 GB");
  expect(parameters(134_515_008)).toBe("135M");
  expect([0, 1, 2].map((count) => counted(count, "model"))).toEqual(["0 models", "1 model", "2 models"]);
  expect([1, 1.02, 1.5, 12.3].map(rate)).toEqual(["1.0 tokens/s", "1.0 tokens/s", "1.5 tokens/s", "12 tokens/s"]);
});

test("the plot's newest point is at its right end, its highest at the top", () => {
  expect(pointsOf([0, 5, 10], 10)).toBe("117,31.0 118,16.0 119,1.0");
  expect(pointsOf([0], 0)).toBe("119,31.0");
});

test("the catalogue's models that fit come first; a search wants every word", () => {
  const all = entries();
  expect(all.length).toBeGreaterThan(20);
  const firstLarge = all.findIndex(({ fits }) => !fits);
  expect(all.slice(firstLarge).every(({ fits }) => firstLarge < 0 || !fits)).toBe(true);
  expect(all[0]!.model.bytes).toBeLessThan(2.5e9);
  const found = search(all, "QWEN thinking");
  expect(found.length).toBeGreaterThan(0);
  expect(found.every(({ model }) => model.thinking && model.name.includes("Qwen"))).toBe(true);
  expect(search(all, "qwen nothing")).toEqual([]);
});

test("a chat is named by how its first message begins, cut between words", () => {
  expect(titleOf("  Why is the sky blue?\nTell me.")).toBe("Why is the sky blue?");
  expect(titleOf("word ".repeat(30))).toBe(`${"word ".repeat(12).trim()}…`);
});
