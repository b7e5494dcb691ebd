import { load } from "sotto";

const MODEL = new URLSearchParams(location.search).get("model") ?? "hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M";
/** Characters of a page that are read: some 1,500 tokens. */
const LONGEST = 6000;

const [status, progress, messages, alert, form, message, button] = [
  "status",
  "progress",
  "messages",
  "alert",
  "form",
  "message",
  "button",
].map((id) => document.getElementById(id));

status.textContent = "The model arrives. It is kept for the next time.";
const loaded = load(MODEL, {
  onProgress: ({ loaded, total }) => Object.assign(progress, { value: loaded, max: total || 1 }),
});
loaded.then(() => {
  progress.hidden = true;
  status.textContent = "What you ask and what you read stays in this browser.";
}, fail);

const said = [];
let stop;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (stop) return stop.abort();
  const question = message.value.trim();
  if (question === "") return;
  message.value = "";
  alert.hidden = true;
  stop = new AbortController();
  button.textContent = "Stop";
  try {
    said.push({ role: "user", content: question });
    add("user", question);
    await reply(stop.signal);
  } catch (error) {
    fail(error);
  }
  stop = undefined;
  button.textContent = "Send";
});

async function reply(signal) {
  const system = { role: "system", content: `Answer briefly, from this page:\n\n${await pageText()}` };
  const model = await loaded;
  const paragraph = add("assistant", "");
  const request = { messages: [system, ...said], stream: true, overflow: "trim" };
  for await (const { choices } of await model.chat.completions.create(request, { signal, onAbort: "result" })) {
    paragraph.textContent += choices[0]?.delta.content ?? "";
  }
  said.push({ role: "assistant", content: paragraph.textContent });
}

/** What the open tab shows, or nothing where an extension may not read. */
async function pageText() {
  const [tab] = await chrome.tabs.query({ active: true, lastFocusedWindow: true });
  // biome-ignore lint/performance/useDomNodeTextContent: what is shown, not the scripts
  const func = () => `${document.title}\n\n${document.body.innerText}`;
  const [{ result } = {}] = await chrome.scripting.executeScript({ target: { tabId: tab.id }, func }).catch(() => []);
  return result?.slice(0, LONGEST) ?? "(The page cannot be read.)";
}

function add(role, text) {
  const paragraph = document.createElement("p");
  paragraph.className = role;
  paragraph.textContent = text;
  messages.append(paragraph);
  return paragraph;
}

function fail(error) {
  alert.hidden = false;
  alert.textContent = error.message;
}
