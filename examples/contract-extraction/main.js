import { load } from "sotto";
import { CONTRACT } from "./contract.js";
import { schema } from "./schema.js";

const MODEL = new URLSearchParams(location.search).get("model") ?? "hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M";

const [status, alert, form, contract, button, table, rows, json] = [
  "status",
  "alert",
  "form",
  "contract",
  "button",
  "table",
  "rows",
  "json",
].map((id) => document.getElementById(id));

contract.value = CONTRACT;
const loaded = load(MODEL);
loaded.then(() => {
  status.textContent = "The contract stays on this device.";
}, fail);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  alert.hidden = true;
  table.hidden = true;
  json.textContent = "";
  try {
    show(await extract(contract.value));
  } catch (error) {
    fail(error);
  }
  button.disabled = false;
});

/** The contract as data; meanwhile the page shows what is written. */
async function extract(text) {
  const model = await loaded;
  const chunks = await model.chat.completions.create({
    messages: [
      {
        role: "system",
        content: "You turn contracts into JSON: the parties, and each numbered clause with a summary.",
      },
      { role: "user", content: text },
    ],
    response_format: { type: "json_schema", json_schema: { name: "contract", schema, strict: true } },
    temperature: 0,
    stream: true,
  });
  for await (const { choices } of chunks) {
    const [{ delta, finish_reason } = {}] = choices;
    json.textContent += delta?.content ?? "";
    if (finish_reason === "length") throw new Error("The contract is too long for the model's context.");
  }
  return JSON.parse(json.textContent);
}

function show(data) {
  json.textContent = JSON.stringify(data, null, 2);
  rows.replaceChildren(
    ...data.clauses.map((clause) => {
      const row = document.createElement("tr");
      for (const value of [clause.number, clause.kind, clause.summary]) row.insertCell().textContent = value;
      return row;
    }),
  );
  table.hidden = false;
}

function fail(error) {
  alert.hidden = false;
  alert.textContent = error.message;
}
