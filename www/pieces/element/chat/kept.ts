/** Conversations that the browser keeps, by their names. Where it keeps nothing, neither do these. */
import { createStore, del, get, set } from "idb-keyval";
import { readTurns, type Turn } from "./turns.js";

let opened: ReturnType<typeof createStore> | undefined;

const store = () => (opened ??= createStore("sotto-chats", "chats"));

export async function kept(name: string): Promise<Turn[]> {
  try {
    return readTurns(await get(name, store()));
  } catch {
    return [];
  }
}

export async function keep(name: string, turns: readonly Turn[]): Promise<void> {
  try {
    // As JSON has it: what tools gave may be what the browser cannot keep.
    await (turns.length > 0 ? set(name, JSON.parse(JSON.stringify(turns)), store()) : del(name, store()));
  } catch {
    // A private window, or a full disk: the conversation lasts as long as the page.
  }
}
