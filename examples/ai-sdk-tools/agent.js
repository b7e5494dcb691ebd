// The agent: a model of this page, and a tool that it may call.
import { DirectChatTransport, ToolLoopAgent, stepCountIs, tool } from "ai";
import { load } from "sotto";
import { languageModel } from "sotto/ai-sdk";
import { z } from "zod";

const MODEL = new URLSearchParams(location.search).get("model") ?? "hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M";

const ZONES = {
  London: "Europe/London",
  "New York": "America/New_York",
  Nairobi: "Africa/Nairobi",
  Tokyo: "Asia/Tokyo",
};

/** Its input is held to the schema while it is written: no other city can be asked for. */
const clock = tool({
  description: "The time in a city.",
  inputSchema: z.object({ city: z.enum(Object.keys(ZONES)) }),
  execute: ({ city }) =>
    new Date().toLocaleTimeString("en", { timeZone: ZONES[city], hour: "2-digit", minute: "2-digit" }),
});

export const loaded = load(MODEL);

const agent = new ToolLoopAgent({
  model: languageModel(loaded, { overflow: "trim", parallel_tool_calls: false }),
  instructions: "You tell people the time in cities. Answer in one short sentence.",
  tools: { clock },
  stopWhen: stepCountIs(3),
  // Small models forget to call; with a larger one the first step may be free, too.
  prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "none" }),
});

export const transport = new DirectChatTransport({ agent });
