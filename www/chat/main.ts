/** The chat page: connects the screens to one model. */
import type { Model, SottoError } from "sotto";
import { Conversation } from "./conversation.js";
import { $, show } from "./dom.js";
import { bytes, parameters } from "./format.js";
import { Picker } from "./picker.js";
import { SettingsDialog } from "./settings.js";

let model: Model | undefined;

/** After these the model is gone and has to be loaded again. */
const FATAL = new Set(["device_lost", "internal", "disposed"]);

const settings = new SettingsDialog();
const conversation = new Conversation({
  settings: () => settings.values,
  onError: (error) => {
    showError(error);
    if (FATAL.has(error.code)) void abandon();
  },
});
new Picker({
  contextLength: () => settings.values.contextLength || undefined,
  onStart: async () => {
    await unload();
  },
  onLoaded: opened,
  onError: showError,
});

$("change-model").onclick = () => void unload();
$("error-close").onclick = hideError;

function opened(loaded: Model, title?: string): void {
  model = loaded;
  const { name, quantization, nParams, backend, backendReason, chatTemplate, tuning } = loaded.info;
  $("model-name").textContent = title ?? name;
  // The type of most of the weights comes first.
  const facts = [parameters(nParams), quantization.split(", ")[0], place(loaded)];
  $("model-facts").textContent = facts.filter(Boolean).join(" · ");
  $("model-facts").title = backendReason;
  $<HTMLTextAreaElement>("prompt").placeholder = chatTemplate
    ? "Write a message"
    : "This model has no chat format: it goes on with your text";
  $("backend").textContent = `The model runs on the CPU. ${backendReason}`;
  show("backend", backend === "cpu");
  $("tuning").textContent = tuning.join("\n");
  show("kernels", tuning.length > 0);
  screen(true);
  conversation.open(loaded);
}

/** "98 MB on SwiftShader" */
function place({ info: { adapter, memory } }: Model): string {
  if (!adapter) return `${bytes(memory.wasmBytes)} on the CPU`;
  const name = adapter.description || [adapter.vendor, adapter.architecture].filter(Boolean).join(" ") || "WebGPU";
  return `${bytes(memory.gpuBytes)} on ${name}`;
}

async function unload(): Promise<void> {
  hideError();
  show("backend", false);
  show("kernels", false);
  screen(false);
  await abandon();
}

/** Gives the model's memory back; what was said can still be read. */
async function abandon(): Promise<void> {
  const old = model;
  model = undefined;
  conversation.close();
  await old?.dispose();
}

function screen(chatting: boolean): void {
  show("picker", !chatting);
  for (const id of ["chat", "model", "new-chat", "change-model"]) show(id, chatting);
}

function showError(error: SottoError): void {
  $("error-text").textContent = error.message;
  $("error").dataset.code = error.code;
  show("error", true);
}

function hideError(): void {
  show("error", false);
}
