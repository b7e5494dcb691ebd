/** An element of the page by its id. */
export function $<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

export function show(id: string, visible: boolean): void {
  $(id).hidden = !visible;
}
