/** The chat page: what is around `<sotto-chat>`, which is the chat itself. */
import { type Model, SottoError } from "sotto";
import "sotto/element";
import { Bench } from "./bench.js";
import { Chats } from "./chats.js";
import { $, show } from "./dom.js";
import { Files } from "./files.js";
import { bytes, deviceOf, parameters } from "./format.js";
import { Live } from "./live.js";
import { type Choice, Picker } from "./picker.js";
import { Playground } from "./playground.js";
import { SettingsDialog } from "./settings.js";
import { Tokens } from "./tokens.js";

/** After these the model is gone and has to be loaded again. */
const FATAL = new Set(["device_lost", "internal", "disposed"]);

const chat = document.querySelector("sotto-chat")!;
// It comes when one is chosen.
chat.model = null;
/** What was chosen is loaded. */
let model: Model | undefined;
let title: string | undefined;

const settings = new SettingsDialog(apply);
const playground = new Playground(apply);
apply();
const picker = new Picker(choose);
new Chats(chat);
const live = new Live();
const bench = new Bench();
const files = new Files();
new Tokens(chat);
chat.suggestions = [
  "Explain to a child why the sky is blue.",
  "Write a haiku about autumn rain.",
  "Give me three uses for a paperclip.",
];
chat.addEventListener("sotto-ready", ({ detail }) => opened(detail.model));
chat.addEventListener("sotto-error", ({ detail }) => {
  const error = SottoError.from(detail.error);
  if (model && !FATAL.has(error.code)) return;
  // What was said can still be read; what did not load is chosen anew.
  if (model) end();
  else leave();
  tell(error);
});
$("change-model").onclick = leave;
$("choose-another").onclick = leave;
$("error-close").onclick = () => show("error", false);

/** What the person has set, for the next request or load. */
function apply(): void {
  chat.params = { ...settings.params, ...playground.params };
  chat.tools = playground.tools;
  chat.system = settings.system;
  chat.loadOptions = { contextLength: settings.contextLength };
}

function choose(choice: Choice): void {
  end();
  show("error", false);
  title = choice.title;
  chat.toggleAttribute("verdict", choice.asks ?? false);
  chat.toggleAttribute("autoload", !choice.asks);
  if (choice.size) chat.setAttribute("size", String(choice.size));
  else chat.removeAttribute("size");
  chat.model = choice.source;
  screen(true);
  chat.focus();
}

function opened(loaded: Model): void {
  model = loaded;
  const { name, quantization, nParams, backend, backendReason, chatTemplate, tuning, adapter, memory } = loaded.info;
  $("model-name").textContent = title ?? name;
  // The type of most of the weights comes first.
  const taken = bytes(adapter ? memory.gpuBytes : memory.wasmBytes);
  const facts = [parameters(nParams), quantization.split(", ")[0], `${taken} on ${deviceOf(loaded.info)}`];
  $("model-facts").textContent = facts.filter(Boolean).join(" · ");
  $("model-facts").title = backendReason;
  if (chatTemplate) chat.removeAttribute("placeholder");
  else chat.setAttribute("placeholder", "This model has no chat format: it goes on with your text");
  $("backend").textContent = `The model runs on the CPU. ${backendReason}`;
  show("backend", backend === "cpu");
  $("tuning").textContent = tuning.join("\n");
  show("kernels", tuning.length > 0);
  show("model", true);
  live.follow(loaded);
  bench.follow(loaded);
  files.follow(loaded);
  // Whoever pressed something that does nothing meanwhile wants to write all the same.
  const { activeElement } = document;
  if (activeElement === document.body || (activeElement === chat && chat.conversation.length === 0)) chat.focus();
}

/** Gives the model's memory back. */
function end(): void {
  model = undefined;
  live.follow(undefined);
  bench.follow(undefined);
  files.follow(undefined);
  chat.model = null;
  for (const id of ["backend", "kernels", "model"]) show(id, false);
}

function leave(): void {
  end();
  show("error", false);
  screen(false);
  picker.focus();
}

function screen(chatting: boolean): void {
  picker.show(!chatting);
  for (const id of ["chat", "open-chats", "new-chat", "change-model"]) show(id, chatting);
}

function tell(error: SottoError): void {
  $("error-text").textContent = error.message;
  $("error").dataset.code = error.code;
  show("error", true);
}
