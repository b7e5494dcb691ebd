/**
 * Whether a value is what the schema wants, and a copy of it as plain data, which any worker can be sent. Natively
 * `crate/wire/check.rs` does the same, in the same words.
 */
import { SottoError, isOurs, said } from "./errors.js";

/** What `sotto schema` says of a value: the part of JSON Schema that it uses. `true` is any value. */
export type Schema =
  | true
  | {
      type?: string;
      enum?: unknown[];
      anyOf?: Schema[];
      items?: Schema;
      properties?: Record<string, Schema>;
      /** Members that cannot be left out. */
      required?: string[];
      additionalProperties?: Schema;
      minimum?: number;
      maximum?: number;
      /** What an object is like, for sentences. */
      shape?: string;
      /** A page may give a function in its place. */
      callable?: boolean;
      /** What other libraries call it. */
      aliases?: string[];
      /** Infinity is as good as the largest. */
      unlimited?: boolean;
    };

/** The longest text that a message shows. */
const SHOWN = 40;
/** Values inside of values; deeper ones are most likely circular. */
const MAX_DEPTH = 100;
/**
 * Values in one argument, a long text counted as several: a value that is in many places is copied to each of them, and
 * few values can stand for more than any memory holds.
 */
const MOST_VALUES = 1_000_000;
const TEXT_OF_A_VALUE = 256;

/** What is left of an argument's values. */
export class Budget {
  #left = MOST_VALUES;

  /** Throws `bad_option` where `name` takes more than there is. */
  take(name: string, value: unknown): void {
    this.#left -= typeof value === "string" ? 1 + Math.floor(value.length / TEXT_OF_A_VALUE) : 1;
    if (this.#left < 0)
      throw bad(`${cut(name)} is in an argument of too many values`, "less, or the same thing fewer times");
  }
}

/** What `read` reads of a caller's value; where its own getters or proxies throw, the error is `bad_option`. */
export function reading<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    if (isOurs(thrown)) throw thrown;
    throw new SottoError("bad_option", `${what} cannot be read (${said(thrown)}); give plain data.`, { cause: thrown });
  }
}

/**
 * The members that are given: `null` and `undefined` are as good as nothing. Throws `bad_option` for a member that the
 * call does not have, naming the one that may have been meant, and for a wrong value. `own` are the names of members that
 * the caller itself checks, and that are left out; `path` stands before those of the others in messages.
 */
export function checked(
  call: string,
  schema: Schema,
  options: unknown,
  own: readonly string[],
  budget = new Budget(),
  path = "",
): Record<string, unknown> {
  if (options === undefined || options === null) return {};
  if (kind(options) !== "object") throw bad(`The options of ${call} are ${shown(options)}`, "an object");
  const known = (schema !== true && schema.properties) || {};
  const copy: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (own.includes(name)) continue;
    const member = Object.hasOwn(known, name) ? known[name] : undefined;
    if (member === undefined) throw unknown(call, name, known, own);
    if (value === undefined || value === null) continue;
    // Not left out: a default may be lower.
    const most = value === Infinity && member !== true && member.unlimited ? member.maximum : value;
    copy[name] = check(path + name, member, most, budget);
  }
  return copy;
}

/** The error of a member that a call does not have; it names the one that may have been meant. */
export function unknown(
  call: string,
  name: string,
  known: Record<string, Schema>,
  own: readonly string[] = [],
): SottoError {
  const near = meant(name, known, own);
  return new SottoError("bad_option", `${name} is not an option of ${call}${near ? `; did you mean ${near}?` : "."}`);
}

/** A copy of the value, if it and what is inside of it are what the schema wants. */
export function check(name: string, schema: Schema, value: unknown, budget = new Budget()): unknown {
  const given = typeof value === "bigint" ? Number(value) : isTypedArray(value) ? Array.from(value) : value;
  const choice = choices(schema).find((choice) => fits(choice, given));
  if (choice === undefined) throw bad(`${cut(name)} is ${shown(value)}`, wanted(schema));
  if (choice === true) return plain(name, given, budget);
  budget.take(name, given);
  const { items, properties, additionalProperties } = choice;
  if (Array.isArray(given)) return listed(given, (item, i) => check(`${name}[${i}]`, items ?? true, item, budget));
  if (kind(given) !== "object") return given;
  refuseForeign(name, given as object);
  if (properties) {
    const kept = checked(name, choice, given, [], budget, `${name}.`);
    // Of a call's own members the call says what it lacks.
    const missing = choice.required?.find((member) => !(member in kept));
    if (missing) throw bad(`${cut(name)} has no ${missing}`, wanted(properties[missing]!));
    return kept;
  }
  const members = Object.entries(given as object).filter(([, item]) => item !== undefined);
  const member = (key: string) => `${name}[${JSON.stringify(key)}]`;
  return Object.fromEntries(
    members.map(([key, item]) => [key, check(member(key), additionalProperties ?? true, item, budget)]),
  );
}

/** A copy that is nothing but text, numbers, booleans, `null`, lists and objects: proxies and classes become objects. */
export function plain(name: string, value: unknown, budget = new Budget(), depth = 0): unknown {
  if (depth > MAX_DEPTH) throw bad(`${cut(name)} is nested too deeply`, "plain data");
  budget.take(name, value);
  if (value === null || ["string", "number", "boolean"].includes(typeof value)) return value;
  if (Array.isArray(value)) return listed(value, (item, i) => plain(`${name}[${i}]`, item ?? null, budget, depth + 1));
  if (kind(value) !== "object") throw bad(`${cut(name)} is ${shown(value)}`, "plain data");
  refuseForeign(name, value as object);
  const given = Object.entries(value as object).filter(([, item]) => item !== undefined);
  return Object.fromEntries(given.map(([key, item]) => [key, plain(`${name}.${key}`, item, budget, depth + 1)]));
}

/**
 * A schema of Zod, Valibot and others, by the mark that they have (Standard Schema), says nothing to a model. The JSON Schema
 * that Zod makes of one has it too, hidden.
 */
function refuseForeign(name: string, value: object): void {
  const mark = "~standard";
  if (mark in value && Object.getOwnPropertyDescriptor(value, mark)?.enumerable !== false)
    throw bad(`${cut(name)} is a schema of a library`, "a JSON Schema; of Zod's, z.toJSONSchema(schema)");
}

/** As `map`, but of any list, whatever its prototype, and of its holes too. */
function listed(list: unknown[], each: (item: unknown, i: number) => unknown): unknown[] {
  const copy: unknown[] = [];
  for (let i = 0; i < list.length; i++) copy.push(each(list[i], i));
  return copy;
}

/** The path to a value, as long as a message can bear. */
function cut(name: string): string {
  return name.length > 2 * SHOWN ? `${name.slice(0, SHOWN)}…${name.slice(-SHOWN)}` : name;
}

export function bad(what: string, wanted: string): SottoError {
  return new SottoError("bad_option", `${what}; give ${wanted}.`);
}

/** As `typeof`, but lists, `null` and the objects that are more than their members (maps, blobs, …) are of their own kind. */
export function kind(value: unknown): string {
  if (typeof value !== "object") return typeof value;
  try {
    const tag = Object.prototype.toString.call(value).slice(8, -1);
    return tag === "Object" ? "object" : tag;
  } catch {
    return "proxy that was revoked";
  }
}

/** Whichever page's or worker's it is. */
function isTypedArray(value: unknown): value is ArrayLike<number> {
  return ArrayBuffer.isView(value) && !(kind(value) === "DataView");
}

const choices = (schema: Schema): Schema[] => (schema !== true && schema.anyOf) || [schema];

/** Whether the value itself, not what is inside of it, is of the kind and in the range. */
function fits(schema: Schema, value: unknown): boolean {
  if (schema === true) return true;
  if (schema.enum) return schema.enum.includes(value);
  const { type, minimum = -Infinity, maximum = Infinity } = schema;
  switch (type) {
    case "integer":
    case "number":
      return (
        typeof value === "number" &&
        value >= minimum &&
        value <= maximum &&
        (type === "number" || Number.isInteger(value))
      );
    case "array":
      return kind(value) === "Array";
    case undefined:
      return true;
    default:
      return kind(value) === type;
  }
}

/** What to give: `"high" or "fast"`, `a number from 0 to 100`. */
function wanted(schema: Schema): string {
  if (schema === true) return "plain data";
  const { type, enum: names, items, minimum, maximum, unlimited, callable, shape = "an object" } = schema;
  if (names) return either([...names.map(shown), ...(callable ? ["a function"] : [])]);
  const range = minimum !== undefined && maximum !== undefined ? ` from ${minimum} to ${maximum}` : "";
  switch (type) {
    case "integer":
      return `a whole number${range}${unlimited ? ", or Infinity for no limit" : ""}`;
    case "number":
      return `a number${range}`;
    case "string":
      return "text";
    case "boolean":
      return "true or false";
    case "array": {
      const item = items === true ? undefined : items?.type;
      return item === "string" ? "a list of texts" : item === "integer" ? "a list of whole numbers" : "a list";
    }
    case "object":
      return shape;
    default:
      return either(choices(schema).map(wanted));
  }
}

function either(choices: string[]): string {
  return choices.length > 1 ? `${choices.slice(0, -1).join(", ")} or ${choices.at(-1)}` : (choices[0] ?? "null");
}

/** A value in a message. */
export function shown(value: unknown): string {
  switch (kind(value)) {
    case "string": {
      const text = value as string;
      return text.length > SHOWN ? `${JSON.stringify(text.slice(0, SHOWN))}…` : JSON.stringify(text);
    }
    case "Array":
      return "a list";
    case "object":
      return "an object";
    case "function":
      return "a function";
    case "Null":
      return "null";
    case "number":
    case "bigint":
    case "boolean":
    case "undefined":
    case "symbol":
      return String(value);
    default:
      return `a ${kind(value)}`;
  }
}

/** The member whose name, or another library's name for it, is nearest, if it is near. */
export function meant(name: string, known: Record<string, Schema>, own: readonly string[] = []): string | undefined {
  let best: { distance: number; member: string } | undefined;
  const given = letters(name);
  for (const member of [...Object.keys(known), ...own]) {
    const schema = known[member];
    for (const other of [member, ...((schema && schema !== true && schema.aliases) || [])].map(letters)) {
      const distance = edits(given, other);
      if (distance <= Math.floor(Math.min(given.length, other.length) / 3) && !(best && best.distance <= distance))
        best = { distance, member };
    }
  }
  return best?.member;
}

/** A name without the marks that part its words: `max_tokens`, `max-tokens` and `maxTokens` are one. */
const letters = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, "");

/** Letters to insert, remove, replace or swap with their neighbour to make one of the other (optimal string alignment). */
function edits(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const [row, above] = [[i], rows[i - 1]!];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(above[j]! + 1, row[j - 1]! + 1, above[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j]!, rows[i - 2]![j - 2]! + 1);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
