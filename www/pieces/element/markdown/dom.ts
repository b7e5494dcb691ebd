/** Nodes of the page that are made of data, and brought up to date where they are: what did not change is not touched. */
import { type Branch, CODE, FORMULA, type Node } from "./nodes.js";

/** What the view makes of blocks that are more than one element. */
export interface Makers {
  /** The element of a block of code, and where its text goes. */
  code(language: string): { element: HTMLElement; text: HTMLElement };
  /** A formula, rendered; nothing where there is no renderer, or it cannot. */
  formula(source: string, display: boolean): globalThis.Node | undefined;
}

/** What an element was made of. */
const made = new WeakMap<globalThis.Node, Branch>();
/** Where the text of a block of code is. */
const texts = new WeakMap<globalThis.Node, HTMLElement>();

export function create(node: Node, makers: Makers): globalThis.Node {
  if (typeof node === "string") return document.createTextNode(node);
  const element = createBranch(node, makers);
  made.set(element, node);
  return element;
}

function createBranch(node: Branch, makers: Makers): globalThis.Node {
  const { tag, attrs = {}, children } = node;
  if (tag === CODE) {
    const { element, text } = makers.code(attrs.language!);
    text.append(children[0] as string);
    texts.set(element, text);
    return element;
  }
  if (tag === FORMULA) return createFormula(children[0] as string, attrs.display === "true", makers);
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs)) element.setAttribute(name, value);
  for (const child of children) element.append(create(child, makers));
  return element;
}

function createFormula(source: string, display: boolean, makers: Makers): globalThis.Node {
  const element = document.createElement(display ? "div" : "span");
  element.className = "math";
  element.dir = "ltr";
  const rendered = makers.formula(source, display);
  if (rendered) element.append(rendered);
  else {
    const code = document.createElement("code");
    code.textContent = source;
    element.append(code);
  }
  if (display) element.tabIndex = 0;
  return element;
}

/** Makes what stands behind `from` in `parent` what `nodes` say. */
export function patch(parent: globalThis.Node, from: number, nodes: readonly Node[], makers: Makers): void {
  const children = parent.childNodes;
  for (const [i, node] of nodes.entries()) {
    const there = children[from + i];
    if (!there) parent.appendChild(create(node, makers));
    else if (!update(there, node, makers)) parent.replaceChild(create(node, makers), there);
  }
  while (children.length > from + nodes.length) parent.lastChild!.remove();
}

/** Whether the node could be brought up to date where it is. */
function update(there: globalThis.Node, node: Node, makers: Makers): boolean {
  if (typeof node === "string") {
    if (!(there instanceof Text)) return false;
    grow(there, node);
    return true;
  }
  const old = made.get(there);
  if (!old || old.tag !== node.tag || !isSame(old.attrs, node.attrs)) return false;
  made.set(there, node);
  if (node.tag === FORMULA) return old.children[0] === node.children[0];
  if (node.tag === CODE) {
    const text = texts.get(there)!.firstChild;
    if (text instanceof Text) grow(text, node.children[0] as string);
    else texts.get(there)!.append(node.children[0] as string);
  } else patch(there, 0, node.children, makers);
  return true;
}

/** A text that goes on keeps its node, and with it what is selected of it. */
function grow(there: Text, text: string): void {
  const { data } = there;
  if (data === text) return;
  if (text.startsWith(data)) there.appendData(text.slice(data.length));
  else there.data = text;
}

function isSame(a: Branch["attrs"] = {}, b: Branch["attrs"] = {}): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
