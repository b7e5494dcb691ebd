/** Elements in one call. */

type Child = Node | string | undefined | false;

interface Props {
  class?: string;
  part?: string;
  /** Called when it is pressed. */
  press?: (event: MouseEvent) => unknown;
  /** Attributes; `undefined` and `false` are left out. */
  [attribute: string]: string | boolean | undefined | ((event: MouseEvent) => unknown);
}

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  { press, ...attributes }: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (typeof value === "string") element.setAttribute(name, value);
  }
  if (tag === "button" && !attributes.type) element.setAttribute("type", "button");
  if (press) element.addEventListener("click", press as EventListener);
  element.append(...children.filter((child): child is Node | string => child !== undefined && child !== false));
  return element;
}

/** Line drawings on a field of 24 by 24. */
const ICONS = {
  chat: "M4 5.5h16v11H10l-4.5 4v-4H4z",
  close: "M6 6l12 12M18 6L6 18",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M7.5 7.5h9v9h-9z",
  attach: "M19 11.5l-7.3 7.3a4.6 4.6 0 01-6.5-6.5l7.6-7.6a3 3 0 014.3 4.3l-7.5 7.5a1.4 1.4 0 01-2-2l6.6-6.6",
  file: "M6 3.5h8l4.5 4.5v12.5H6zM14 3.5V8h4.5",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  done: "M5 12.5l4.5 4.5L19 7.5",
  edit: "M4.5 19.5l1-4.5L16 4.5l3.5 3.5L9 18.5z",
  again: "M19 12a7 7 0 11-2.2-5.1L19 9M19 4v5h-5",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  good: "M7.5 10.5v9H4v-9zM7.5 10.5L11.5 4c1.6 0 2.3 1.2 2 2.6l-.7 3h5.4c1.3 0 2 1 1.7 2.2l-1.5 6a2.2 2.2 0 01-2.1 1.7H7.5",
  bad: "M16.5 13.5v-9H20v9zM16.5 13.5L12.5 20c-1.6 0-2.3-1.2-2-2.6l.7-3H5.8c-1.3 0-2-1-1.7-2.2l1.5-6a2.2 2.2 0 012.1-1.7h8.8",
  down: "M12 5v14M6 13l6 6 6-6",
  go: "M8 5l11 7-11 7z",
  tool: "M14.5 6.5a4 4 0 015-1l-3 3 2 2 3-3a4 4 0 01-5.5 5L9 19.5 5.5 16l7-7a4 4 0 012-2.5z",
} as const;

export type Icon = keyof typeof ICONS;

const SVG = "http://www.w3.org/2000/svg";

export function icon(name: Icon): SVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button that shows a drawing and says what it does. */
export function iconButton(name: Icon, label: string, press?: () => void, props: Props = {}): HTMLButtonElement {
  return h(
    "button",
    { class: "icon", "aria-label": label, title: label, ...(press && { press }), ...props },
    icon(name),
  );
}

/** Gives a text of Markdown to whoever reads it, as a file. */
export function download(text: string, name: string): void {
  const link = h("a", { download: name });
  link.href = URL.createObjectURL(new Blob([text], { type: "text/markdown" }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** What is pressed does something, or nothing while it may not. */
export const doing =
  (may: boolean) =>
  <A extends unknown[]>(act: (...given: A) => void) =>
  (...given: A): void => {
    if (may) act(...given);
  };
