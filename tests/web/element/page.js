// The page of the element's tests: a model that says what a test wants, without an engine.
const chat = document.querySelector("sotto-chat");
const query = new URLSearchParams(location.search);

/** Replies by what they answer; anything else is said back. */
const REPLIES = {
  rich: [
    "## Balance\n\nA bicycle stays **upright** because you *steer* into the fall, at `v > 3`:\n\n",
    "1. It leans.\n2. You steer.\n   - a little\n   - at once\n\n- [x] learned\n- [ ] forgotten\n\n",
    "| Speed | Feels |\n|---|:-:|\n| slow | shaky |\n| fast | steady |\n\n> Look where you want to go.\n\n",
    "```js\n// lean is the angle, in radians\nexport function balance(lean) {\n  return lean > 0 ? 'right' : 'left';\n}\n```\n\n",
    "The rule is $a = g \\tan \\theta$. Read [more](https://example.org/bicycles).\n",
  ],
  math: ["It is $a^2$, or\n\n$$\nb", "^2\n$$\n\nbut $\\bad$ is not."],
  hostile: [
    "<img src=x onerror=document.title='hacked'> <script>document.title='hacked'</script> ",
    "[x](javascript:document.title='hacked') ![y](https://example.org/pixel.png)",
  ],
};

/** Words of which each is a token; told after so many milliseconds. */
const countTokens = async (messages) => {
  await pause(script.countMs);
  return messages.map(({ content }) => content.split(" ").length).reduce((sum, count) => sum + count, 0);
};

const info = { name: "Scripted", chatTemplate: true, contextLength: 4096 };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const chunk = (delta, finish_reason = null) => ({ choices: [{ index: 0, delta, finish_reason }] });

/** What a test looks at, and holds. */
const script = { asked: [], hold: false, holdBefore: undefined, pause: 0, countMs: 0 };
Object.assign(globalThis, { chat, script });

async function* reply(request, { signal }) {
  script.asked.push(request);
  const said = String(request.messages.at(-1).content);
  if (said === "fail") throw new Error("The graphics card was lost.");
  if (said.startsWith("too long"))
    throw Object.assign(new Error("The prompt is too long."), { code: "prompt_too_long" });
  if (said === "think") for (const text of ["Let me ", "think about it."]) yield chunk({ reasoning_content: text });
  const pieces = REPLIES[said] ?? script.words?.(said) ?? [said.replace(/^echo /, "")];
  for (const text of pieces) {
    while (script.holdBefore === text && !signal?.aborted) await pause(10);
    if (signal?.aborted) return void (yield chunk({}, "abort"));
    yield chunk({ content: text });
    await pause(script.pause);
    while (script.hold && !signal?.aborted) await pause(10);
  }
  yield chunk({}, signal?.aborted ? "abort" : said === "cut" ? "length" : "stop");
}

/** One call, and a reply to what it gave. */
async function runTools({ tools, ...request }, { signal, onMessage, onDelta }) {
  const call = { id: "1", type: "function", function: { name: tools[0].name, arguments: '{"city":"Paris"}' } };
  await onMessage({ role: "assistant", content: null, tool_calls: [call] });
  await onMessage({ role: "tool", tool_call_id: "1", content: await tools[0].run({ city: "Paris" }) });
  for await (const { choices } of reply(request, { signal })) onDelta(choices[0].delta);
  await onMessage({ role: "assistant", content: "It is warm." });
  return { finish_reason: "stop", steps: [] };
}

if (query.has("tools"))
  chat.tools = [{ name: "weather", parameters: { type: "object" }, run: ({ city }) => `warm in ${city}` }];
// The page's rule: what is long goes to its server.
if (query.has("rule"))
  chat.fallback = { baseURL: "/v1", model: "large", when: async ({ text }) => text.startsWith("long") };
if (query.has("many"))
  REPLIES.rich = [`|${" A rather long heading |".repeat(4)}\n|---|---|---|---|\n|${" some words of it |".repeat(4)}`];
if (query.has("suggestions")) chat.suggestions = ["rich", "Write a haiku about autumn rain"];
if (!query.has("model"))
  chat.model = {
    info,
    chat: { completions: { create: async (...args) => reply(...args) } },
    runTools,
    ...(query.has("counts") && { countTokens }),
  };
else chat.setAttribute("model", query.get("model"));
