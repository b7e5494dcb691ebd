/** All that holds of the Vercel AI SDK 6 holds of its version 7, and what that has of its own. */
import { generateText } from "ai-7";
import { expect, test, vi } from "vitest";
import { languageModel } from "../../www/pieces/ai-sdk/index.js";
import { loadFake } from "./harness.js";

vi.mock("ai", () => import("ai-7"));
await import("./ai-sdk.test.js");

test("what is above ran on version 7", async () => {
  expect((await import("ai")).generateText).toBe(generateText);
});

test("of version 7: how long the model thinks, and files that are texts", async () => {
  await using loaded = await loadFake();
  const model = languageModel(loaded);
  const thinks = await generateText({ model, prompt: "echo yes", reasoning: "low" });
  expect([thinks.text, thinks.reasoningText]).toEqual(["yes", "Let me think."]);
  const plain = await generateText({ model, prompt: "echo yes", reasoning: "provider-default" });
  expect(plain.reasoningText).toBeUndefined();
  const data = { type: "text" as const, text: "echo of it" };
  const content = [{ type: "file" as const, data, mediaType: "text" }];
  expect((await generateText({ model, messages: [{ role: "user", content }] })).text).toContain("of it");
});
