/** Conversations that the browser keeps, by their names. Where it keeps nothing, neither do these. */
import { createStore, del, get, set, update } from "idb-keyval";
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

/** Where it is told whose conversation was written, in this page and in others. */
const channel = () => new BroadcastChannel("sotto-chats");

/** Keeps a conversation under a name, in the place of what was there; an empty one is forgotten, and what was computed of it. */
export async function keep(name: string, turns: readonly Turn[]): Promise<void> {
  const told = channel();
  await write(name, turns, () => plain(turns));
  told.postMessage(name);
  told.close();
}

async function write(name: string, turns: readonly Turn[], change: (there: unknown) => Turn[]): Promise<void> {
  try {
    if (turns.length === 0) await forgetComputed(name);
    await (turns.length > 0 ? update(name, change, store()) : del(name, store()));
  } catch {
    // A private window, or a full disk: the conversation lasts as long as the page.
  }
}

/** As JSON has it: what tools gave may be what the browser cannot keep. */
const plain = (turns: readonly Turn[]): Turn[] => JSON.parse(JSON.stringify(turns));

const linesOf = (turns: readonly Turn[]) => readTurns(plain(turns)).map((turn) => JSON.stringify(turn));

/** What is to be kept where `there` is, by one who saw `seen` of it: nothing that another has written is lost. */
export function merged(there: readonly Turn[], seen: readonly string[], turns: readonly Turn[]): Turn[] {
  const theirs = linesOf(there);
  if (String(theirs) === String(seen)) return [...turns];
  const ours = linesOf(turns);
  const from = ours.findIndex((line, i) => line !== seen[i]);
  const isNew = (_: Turn, i: number) => from >= 0 && i >= from && !theirs.includes(ours[i]!);
  return [...there, ...turns.filter(isNew)];
}

/** Milliseconds to wait for what is kept: a database may be held up. */
const PATIENCE = 3000;

/** A conversation that is kept, for one who shows it: another may show and write it, too. */
export class Kept {
  readonly name: string;
  #told: (turns: Turn[]) => boolean;
  #channel: BroadcastChannel | undefined;
  /** What is shown of what is kept. */
  #seen: string[] = [];
  #writes = 0;

  /** `told` hears what others have written, and says whether it shows that now. */
  constructor(name: string, told: (turns: Turn[]) => boolean) {
    this.name = name;
    this.#told = told;
  }

  /** Shows what is kept, now and when another has written. */
  async open(): Promise<void> {
    if (!this.#channel) {
      this.#channel = channel();
      this.#channel.onmessage = ({ data }) => data === this.name && this.open();
    }
    try {
      const turns = readTurns(await get(this.name, store()));
      // What is being written meets it there.
      if (this.#writes === 0) this.#tell(turns);
    } catch {
      // Nothing is kept here.
    }
  }

  /** A browser that does not answer holds nobody up. */
  openSoon(): Promise<void> {
    return Promise.race([this.open(), new Promise<void>((resolve) => setTimeout(resolve, PATIENCE))]);
  }

  #tell(turns: Turn[]): void {
    const lines = linesOf(turns);
    if (String(lines) !== String(this.#seen) && this.#told(turns)) this.#seen = lines;
  }

  async keep(turns: readonly Turn[]): Promise<void> {
    const own = plain(turns);
    let all: Turn[] | undefined;
    this.#writes++;
    await write(this.name, own, (there) => {
      all = merged(readTurns(there), this.#seen, own);
      if (all.length === own.length) this.#seen = linesOf(all);
      return all;
    });
    this.#writes--;
    if (own.length === 0) this.#seen = [];
    this.#channel?.postMessage(this.name);
    if (all && this.#writes === 0) this.#tell(all);
  }

  close(): void {
    this.#channel?.close();
    this.#channel = undefined;
  }
}
