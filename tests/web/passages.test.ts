/** Files as passages, and answers that name them. */
import { expect, test } from "vitest";
import { ENCODERS } from "../../www/chat/encoders.js";
import { asking, cited, idsOf, passagesOf } from "../../www/chat/passages.js";

test("short paragraphs share a passage, and each passage tells its heading", () => {
  const text = "First.\r\n\r\nSecond.\n\n# Roof\n\nIt is warm.\n\n## Cellar\nIt is cold.\n\n\n";
  expect(passagesOf("a.md", text)).toEqual([
    { id: "a.md#0", text: "First.\n\nSecond.", data: { file: "a.md" } },
    { id: "a.md#1", text: "Roof: It is warm.", data: { file: "a.md" } },
    { id: "a.md#2", text: "Cellar: It is cold.", data: { file: "a.md" } },
  ]);
  expect(passagesOf("empty.txt", " \n\n ")).toEqual([]);
  expect(idsOf("a.md", 2)).toEqual(["a.md#0", "a.md#1"]);
});

test("a long paragraph is cut behind sentences, else between words, else anywhere, and nothing is lost", () => {
  const sentence = "The cat sleeps on the roof of the old house. ";
  for (const text of [sentence.repeat(60), "word ".repeat(500), "x".repeat(2000), "猫は屋根の上で眠る。".repeat(300)]) {
    const passages = passagesOf("a.txt", text);
    expect(passages.length).toBeGreaterThan(2);
    for (const { text } of passages) expect(text.length).toBeLessThanOrEqual(600);
    const letters = (text: string) => text.replace(/\s/g, "");
    expect(letters(passages.map(({ text }) => text).join(""))).toBe(letters(text));
  }
  for (const { text } of passagesOf("a.txt", sentence.repeat(60))) expect(text.endsWith("house.")).toBe(true);
});

test("the model is asked by numbers, and what it names by them is found in its answer", () => {
  const [system, user] = asking("Where is the cat?", [{ file: "a.md", text: "On the roof." }]);
  expect(system!.content).toContain("[1] a.md\nOn the roof.");
  expect(user).toEqual({ role: "user", content: "Where is the cat?" });
  expect(cited("On the roof [1], not [3]. [2]", 2)).toEqual(["On the roof ", 1, ", not ", "[3]", ". ", 2]);
  expect(cited("", 2)).toEqual([]);
});

test("every encoder is in the catalogue, the first is small, and words alone need none", () => {
  expect(ENCODERS).toHaveLength(7);
  expect(ENCODERS[0]!.label).toContain("37 MB");
  expect(ENCODERS.at(-1)!.source).toBe("");
});
