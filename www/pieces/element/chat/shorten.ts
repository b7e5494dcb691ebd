/** A message that is too long, cut to what the model can read. */
import type { ChatModel } from "./session.js";
import { messagesOf, type UserTurn } from "./turns.js";

/** The text's beginning that leaves room for a reply of `most` tokens; cut between words where there are any. */
export async function shortened(model: ChatModel, system: string, turn: UserTurn, most?: number | null) {
  const { contextLength } = model.info;
  const room = Math.min(most ?? contextLength / 4, contextLength / 2);
  const first = system ? [{ role: "system" as const, content: system }] : [];
  const { text } = turn;
  const fits = async (length: number) => {
    const tokens = await model.countTokens!([...first, ...messagesOf({ ...turn, text: text.slice(0, length) })]);
    return tokens + room <= contextLength;
  };
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (await fits(middle)) low = middle;
    else high = middle - 1;
  }
  const cut = text.slice(0, low);
  return low < text.length && /\s/.test(cut) ? cut.replace(/\s+\S*$/, "") : cut;
}
