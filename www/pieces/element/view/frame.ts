/** Where the window stands: in the page, or in a corner of it behind a round button. */
import type { Say } from "../texts.js";
import { h, icon } from "./dom.js";

/** Screens on which the window takes all there is, so that what is behind it cannot be reached. */
const SMALL = "(max-width: 30rem), (max-height: 30rem)";

export interface Frame {
  elements: HTMLElement[];
  /** Where the parts of the window go. */
  inner: HTMLElement;
  open(): void;
  close(): void;
  readonly isOpen: boolean;
}

export function inline(say: Say): Frame {
  const inner = h("section", {
    class: "frame",
    part: "window",
    "aria-labelledby": "title",
    lang: say.lang,
    dir: say.dir,
  });
  return { elements: [inner], inner, open() {}, close() {}, isOpen: true };
}

export function launcher(say: Say, toggled: (open: boolean) => void, leave: () => void): Frame {
  const inner = h("dialog", {
    class: "frame",
    part: "window",
    "aria-labelledby": "title",
    lang: say.lang,
    dir: say.dir,
  });
  const name = say.text("open");
  const press = () => (inner.open ? frame.close() : frame.open());
  const button = h("button", {
    class: "launcher",
    part: "launcher",
    "aria-label": name,
    "aria-expanded": "false",
    press,
  });
  button.lang = say.lang;
  button.dir = say.dir;
  button.append(h("slot", { name: "icon" }, icon("chat")));
  const shown = (open: boolean) => {
    button.setAttribute("aria-expanded", String(open));
    button.setAttribute("aria-label", say.text(open ? "close" : "open"));
    toggled(open);
  };
  inner.addEventListener("cancel", (event) => {
    event.preventDefault();
    leave();
  });
  const frame: Frame = {
    elements: [button, inner],
    inner,
    get isOpen() {
      return inner.open;
    },
    open() {
      if (inner.open || !inner.isConnected) return;
      if (matchMedia(SMALL).matches) inner.showModal();
      else inner.show();
      shown(true);
    },
    close() {
      if (!inner.open) return;
      inner.close();
      shown(false);
      button.focus();
    },
  };
  return frame;
}
