/** Elements of the page. */

/** One by its id. */
export function $<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

export function show(id: string, visible: boolean): void {
  $(id).hidden = !visible;
}

/** A new one with a text, or with others in it. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = "",
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/** A button; `label` where the text alone does not say of what. */
export function button(text: string, press: () => void, label?: string): HTMLButtonElement {
  const element = make("button", "", text);
  element.type = "button";
  element.onclick = press;
  if (label) element.setAttribute("aria-label", label);
  return element;
}

/** Lets the browser save a text as a file. */
export function save(text: string, name: string, type: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** Names and values, of those that have one. */
export function facts(list: Record<string, string | undefined>): HTMLElement[] {
  return Object.entries(list).flatMap(([name, value]) => (value ? [make("dt", "", name), make("dd", "", value)] : []));
}
