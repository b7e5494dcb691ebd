/** Conversations that the browser keeps, by their names. Where it keeps nothing, neither do these. */
import { createStore, del, get, set } from "idb-keyval";
import { readTurns, type Turn } from "./turns.js";

let opened: ReturnType<typeof createStore> | undefined;

const store = () => (opened ??= createStore("sotto-chats", "chats"));

/** The conversation that the browser keeps under a name; empty where there is none. */
export async function kept(name: string): Promise<Turn[]> {
  try {
    return readTurns(await get(name, store()));
  } catch {
    return [];
  }
}

/** The name of what a model has computed of it, among the sessions of the store. */
export const sessionOf = (name: string) => `sotto-chat ${name}`;

/** That there is such a session: without this nobody has to ask. */
const noteOf = (name: string) => ["computed", name];

export const noteComputed = (name: string): Promise<void> => set(noteOf(name), true, store());

export async function forgetComputed(name: string): Promise<void> {
  if (!(await get(noteOf(name), store()))) return;
  const { store: sessions } = await import("sotto");
  await sessions.deleteSession(sessionOf(name));
  await del(noteOf(name), store());
}

/** Keeps a conversation under a name, in the place of what was there; an empty one is forgotten, and what was computed of it. */
export async function keep(name: string, turns: readonly Turn[]): Promise<void> {
  try {
    if (turns.length === 0) await forgetComputed(name);
    // As JSON has it: what tools gave may be what the browser cannot keep.
    await (turns.length > 0 ? set(name, JSON.parse(JSON.stringify(turns)), store()) : del(name, store()));
  } catch {
    // A private window, or a full disk: the conversation lasts as long as the page.
  }
}
