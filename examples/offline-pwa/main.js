import { load, store } from "sotto";

const MODEL = new URLSearchParams(location.search).get("model") ?? "hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M";

const [status, progress, messages, alert, form, message, button] = [
  "status",
  "progress",
  "messages",
  "alert",
  "form",
  "message",
  "button",
].map((id) => document.getElementById(id));

status.textContent = "The model arrives. It is kept: the next visit needs no network.";
const loaded = load(MODEL, {
  onProgress: ({ loaded, total }) => Object.assign(progress, { value: loaded, max: total || 1 }),
});
loaded.then(() => {
  progress.hidden = true;
  status.textContent = "Here in your browser. The network may go.";
}, fail);

// So that the browser does not clear the model when the disk is full.
void store.persist();
void navigator.serviceWorker.register("./sw.js", { type: "module" });

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
  const system = { role: "system", content: "You are helpful and brief." };
  const model = await loaded;
  const paragraph = add("assistant", "");
  const request = { messages: [system, ...said], stream: true, overflow: "trim" };
  for await (const { choices } of await model.chat.completions.create(request, { signal, onAbort: "result" })) {
    paragraph.textContent += choices[0]?.delta.content ?? "";
  }
  said.push({ role: "assistant", content: paragraph.textContent });
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
