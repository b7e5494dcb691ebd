import { load } from "sotto";
import { embedAll, nearest, passagesOf } from "./search.js";

const chosen = new URLSearchParams(location.search);
const MODEL = chosen.get("model") ?? "hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M";
const EMBEDDER = chosen.get("embedder") ?? "hf:CompendiumLabs/bge-small-en-v1.5-gguf:Q8_0";

const [status, alert, files, form, message, button, messages] = [
  "status",
  "alert",
  "files",
  "form",
  "message",
  "button",
  "messages",
].map((id) => document.getElementById(id));

/** Both models load once there is something to read. */
let models;
const bothModels = () => {
  models ??= Promise.all([load(EMBEDDER), load(MODEL)]);
  return models;
};

const passages = [];

files.addEventListener("change", () => take(files.files));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  void take(event.dataTransfer.files);
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const question = message.value.trim();
  if (question !== "") void attempt(() => answer(question));
});

function take(list) {
  return attempt(async () => {
    const texts = await Promise.all(Array.from(list, async (file) => passagesOf(file.name, await file.text())));
    const fresh = texts.flat();
    status.textContent = "The models arrive. They are kept for the next visit.";
    const [embedder] = await bothModels();
    await embedAll(embedder, fresh);
    passages.push(...fresh);
    status.textContent = `${passages.length} passages can be asked about.`;
  });
}

async function answer(question) {
  if (passages.length === 0) throw new Error("There is nothing to search yet: choose some text files.");
  const [embedder, model] = await bothModels();
  const found = await nearest(embedder, passages, question);
  const sources = found.map(({ text }, i) => `[${i + 1}] ${text}`).join("\n\n");
  const { text } = await model.chat(
    [
      {
        role: "system",
        content: "Answer in one or two sentences, from the sources alone. Name the sources by number.",
      },
      { role: "user", content: `Sources:\n\n${sources}\n\nQuestion: ${question}` },
    ],
    {
      temperature: 0,
      response_format: { type: "json_schema", json_schema: { name: "answer", schema: formOf(found.length) } },
    },
  );
  show(question, JSON.parse(text), found);
}

/** An answer, and which of the sources it rests on: no others can be named. */
const formOf = (count) => ({
  type: "object",
  properties: {
    answer: { type: "string", minLength: 1, maxLength: 400 },
    sources: {
      type: "array",
      minItems: 1,
      maxItems: count,
      items: { enum: Array.from({ length: count }, (_, i) => i + 1) },
    },
  },
  required: ["answer", "sources"],
  additionalProperties: false,
});

function show(question, { answer, sources }, found) {
  add("p", "user", question);
  add("p", "assistant", answer);
  for (const number of new Set(sources)) {
    const { file, text } = found[number - 1];
    const details = add("details", "source", text);
    const summary = document.createElement("summary");
    summary.textContent = `[${number}] ${file}`;
    details.prepend(summary);
  }
}

function add(name, className, text) {
  const element = document.createElement(name);
  element.className = className;
  element.textContent = text;
  messages.append(element);
  return element;
}

/** Runs one thing at a time, and says what fails. */
async function attempt(run) {
  alert.hidden = true;
  button.disabled = true;
  try {
    await run();
  } catch (error) {
    alert.hidden = false;
    alert.textContent = error.message;
  }
  button.disabled = false;
}
