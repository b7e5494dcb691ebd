/** A document for frameworks that draw, in a test without a browser. Imported before them. */
import { Window } from "happy-dom";

const window = new Window({ url: "http://localhost" });
const { document, navigator, HTMLElement, Element, Node, SVGElement, MutationObserver } = window;

// Blobs, messages and signals stay Node's.
Object.assign(globalThis, { window, document, HTMLElement, Element, Node, SVGElement, MutationObserver });
// Of later versions of Node it is read only.
Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
