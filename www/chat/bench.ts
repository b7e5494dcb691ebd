/** How fast the model is on this device, to be read and to be saved. */
import { type BenchResult, type Model, SottoError } from "sotto";
import { $, facts, save, show } from "./dom.js";
import { deviceOf, rate, seconds } from "./format.js";

const number = (id: string) => Number($<HTMLSelectElement>(id).value);

export class Bench {
  #model: Model | undefined;
  #running: AbortController | undefined;
  /** The last measurement, as it is saved. */
  #report: object | undefined;

  constructor() {
    const dialog = $<HTMLDialogElement>("bench");
    $("open-bench").onclick = () => {
      if ($("side").matches(":popover-open")) $("side").hidePopover();
      dialog.showModal();
    };
    $("bench-start").onclick = () => void this.#measure();
    $("bench-stop").onclick = () => this.#running?.abort();
    $("bench-save").onclick = () => this.#save();
    dialog.onclose = () => this.#running?.abort();
  }

  /** Measures this model, or none. */
  follow(model: Model | undefined): void {
    this.#running?.abort();
    this.#model = model;
    this.#show(undefined);
  }

  async #measure(): Promise<void> {
    const model = this.#model;
    if (!model || this.#running) return;
    const running = new AbortController();
    this.#running = running;
    this.#busy(true);
    this.#show(undefined, "Measures…");
    const options = { promptTokens: number("bench-prompt"), genTokens: number("bench-reply") };
    try {
      const result = await model.bench({ ...options, signal: running.signal });
      const { name, quantization, nParams, backend, threads } = model.info;
      this.#report = {
        device: deviceOf(model.info),
        browser: navigator.userAgent,
        date: new Date().toISOString(),
        model: { name, quantization, nParams, backend, threads },
        options,
        result,
      };
      this.#show(result);
    } catch (thrown) {
      const error = SottoError.from(thrown);
      this.#show(undefined, error.code === "aborted" ? "Stopped." : error.message);
    } finally {
      this.#running = undefined;
      this.#busy(false);
    }
  }

  #busy(busy: boolean): void {
    show("bench-start", !busy);
    show("bench-stop", busy);
    if ($<HTMLDialogElement>("bench").open) $(busy ? "bench-stop" : "bench-start").focus();
  }

  #show(result: BenchResult | undefined, state = ""): void {
    $("bench-state").textContent = state;
    show("bench-save", result !== undefined);
    const list = result && {
      Device: this.#model && deviceOf(this.#model.info),
      Reads: rate(result.prefillTps),
      Writes: rate(result.decodeTps),
      "First token after": seconds(result.ttftMs),
      "Memory is read at": `${result.decodeGbps.toFixed(1)} GB/s`,
    };
    $("bench-result").replaceChildren(...facts(list ?? {}));
  }

  #save(): void {
    const name = `sotto-${new Date().toISOString().slice(0, 10)}.json`;
    save(JSON.stringify(this.#report, null, 2), name, "application/json");
  }
}
