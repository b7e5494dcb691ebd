/** The part of tools/archs.mjs that runs in the page. */
import { describeAdapter } from "../../www/worker/adapter.js";

/** The bindings of tests/whole. */
interface Whole {
  default(): Promise<unknown>;
  names(set: string): string[];
  check(set: string, name: string, golden: string, place: string): Promise<string>;
}

export interface Measure {
  what: string;
  found: number;
  most: number;
}

let begun: Promise<Whole> | undefined;

function begin(): Promise<Whole> {
  begun ??= (async () => {
    const url = "/whole/whole_models.js";
    const whole: Whole = await import(url);
    await whole.default();
    return whole;
  })();
  return begun;
}

export async function names(set: string): Promise<string[]> {
  return (await begin()).names(set);
}

/** How far a model is from its golden: `file` of tests/golden. Throws a sentence. */
export async function check(set: string, name: string, file: string, backend: "webgpu" | "cpu"): Promise<Measure[]> {
  const whole = await begin();
  const golden = await (await fetch(`/golden/${file}`)).text();
  const { adapter, subgroups, dot } = backend === "cpu" ? { subgroups: false, dot: false } : await describeAdapter();
  const place = { options: { backend, subgroups, dot }, adapter: adapter ?? null };
  return JSON.parse(await whole.check(set, name, golden, JSON.stringify(place)));
}
