/** Tools and JSON, to be tried: functions of the page that the model may call, and a schema that replies keep to. */
import type { AnyTool, CreateChat } from "sotto";
import { $, make } from "./dom.js";

/** What a function is called with was checked against its `parameters`. */
const TOOLS: readonly (AnyTool & { name: string; says: string })[] = [
  {
    name: "now",
    says: "What day and time it is",
    description: "The day and time where the user is",
    parameters: { type: "object", properties: {} },
    run: () => new Date().toString(),
  },
  {
    name: "calculate",
    says: "A pocket calculator",
    description: "Adds, subtracts, multiplies or divides two numbers",
    parameters: {
      type: "object",
      properties: {
        a: { type: "number" },
        operation: { enum: ["add", "subtract", "multiply", "divide"] },
        b: { type: "number" },
      },
      required: ["a", "operation", "b"],
    },
    run: ({ a, operation, b }: { a: number; operation: keyof typeof OPERATIONS; b: number }) =>
      String(OPERATIONS[operation](a, b)),
  },
];

const OPERATIONS = {
  add: (a: number, b: number) => a + b,
  subtract: (a: number, b: number) => a - b,
  multiply: (a: number, b: number) => a * b,
  divide: (a: number, b: number) => a / b,
};

const EXAMPLE = {
  type: "object",
  properties: { answer: { type: "string" }, sure: { enum: ["yes", "no"] } },
  required: ["answer", "sure"],
};

export class Playground {
  #dialog = $<HTMLDialogElement>("playground");
  #schema = $<HTMLTextAreaElement>("schema");
  #boxes = new Map<AnyTool, HTMLInputElement>();

  /** `changed` is called with each change. */
  constructor(changed: () => void) {
    for (const tool of TOOLS) {
      const box = make("input");
      box.type = "checkbox";
      this.#boxes.set(tool, box);
      $("tools").append(make("label", "check", box, " ", tool.says));
    }
    $("open-playground").onclick = () => {
      if ($("side").matches(":popover-open")) $("side").hidePopover();
      this.#dialog.showModal();
    };
    $("schema-example").onclick = () => {
      this.#schema.value = JSON.stringify(EXAMPLE, null, 2);
      this.#read();
      changed();
    };
    this.#dialog.oninput = () => {
      this.#read();
      changed();
    };
  }

  /** Functions that the model may call. */
  get tools(): AnyTool[] {
    return TOOLS.filter((tool) => this.#boxes.get(tool)!.checked).map(({ says: _, ...tool }) => tool);
  }

  /** Members of each request. */
  get params(): Pick<CreateChat, "response_format"> {
    const schema = this.#parsed();
    return schema ? { response_format: { type: "json_schema", json_schema: { name: "reply", schema } } } : {};
  }

  #parsed(): Record<string, unknown> | undefined {
    try {
      const schema: unknown = JSON.parse(this.#schema.value);
      return typeof schema === "object" && schema !== null && !Array.isArray(schema)
        ? (schema as Record<string, unknown>)
        : undefined;
    } catch {
      return undefined;
    }
  }

  #read(): void {
    const isBad = this.#schema.value.trim() !== "" && !this.#parsed();
    this.#schema.setAttribute("aria-invalid", String(isBad));
    $("schema-state").textContent = isBad ? "This is not a JSON object yet: replies are free." : "";
  }
}
