// Flags: a command's own, and those of a call's options, which the schema lists (crate/bin/sotto/flags.rs does the same).
import { parseArgs } from "node:util";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, Stop } from "../setup.mjs";

const SCHEMA = JSON.parse(readFileSync(join(ROOT, "www", "wire", "schema.json"), "utf8"));

const text = { type: "string" };
const flag = { type: "boolean", default: false };

/** Flags of every command. */
const COMMON = { json: flag, help: { ...flag, short: "h" } };

/**
 * How an option is written. What is on by default is turned off by `--no-…`, what is off is turned on by its name, and
 * what is neither takes `on` or `off` (or `true` or `false`). A list of numbers has commas; one of texts repeats its
 * flag; an object is JSON.
 */
function form({ type, enum: names, anyOf, items, default: standard }) {
  const list = anyOf ? anyOf.find((choice) => choice.type === "array")?.items : items;
  if (list?.type === "string") return "texts";
  if (list?.type === "integer") return "numbers";
  if (list !== undefined || type === "object") return "json";
  if (anyOf?.some(({ enum: names }) => names)) return "either";
  if (type === "boolean") return standard === true ? "off" : standard === false ? "on" : "onoff";
  return names ? "name" : type === "string" ? "text" : "number";
}

/** The options of the calls as flags: `{ flag, option, schema, form }`. */
function options({ calls = [] }) {
  return calls.flatMap((call) =>
    Object.entries(SCHEMA[call].properties).map(([option, schema]) => {
      const written = form(schema);
      return { call, option, schema, form: written, flag: `${written === "off" ? "no-" : ""}${kebab(option)}` };
    }),
  );
}

export function usage(name, command) {
  const shown = options(command).map(({ flag, form, schema }) => {
    if (form === "on" || form === "off") return `[--${flag}]`;
    const either = schema.anyOf?.map(({ enum: names }) => names?.join("|") ?? "N").join("|");
    const value = { onoff: "on|off", name: schema.enum?.join("|"), either, numbers: "N[,N]…", json: "JSON" }[form];
    return `[--${flag} ${value ?? (form === "number" ? "N" : "TEXT")}]${form === "texts" ? "…" : ""}`;
  });
  return [name, command.usage, ...shown, "[--json]"].join(" ");
}

/** The command's own flags by name, and the options of each call in `options`. */
export function readFlags(name, command, args) {
  const listed = options(command);
  const flags = { ...COMMON, ...Object.fromEntries((command.switches ?? []).map((name) => [name, flag])) };
  for (const name of command.texts) flags[name] = text;
  for (const { flag: name, form } of listed)
    flags[name] = form === "on" || form === "off" ? flag : { ...text, multiple: form === "texts" };
  let values;
  try {
    // parseArgs takes "-1" for a flag unless it is joined to its name.
    const joined = args.flatMap((arg, i) =>
      /^-[\d.]/.test(arg) && i > 0 ? [] : /^-[\d.]/.test(args[i + 1] ?? "") ? [`${arg}=${args[i + 1]}`] : [arg],
    );
    ({ values } = parseArgs({ args: joined, options: flags }));
  } catch (error) {
    throw new Stop(`${error.message.split(". ")[0]}; usage: ${usage(name, command)}`);
  }
  values.options = Object.fromEntries((command.calls ?? []).map((call) => [call, {}]));
  for (const { call, option, schema, form, flag } of listed) {
    if (values[flag] !== undefined && !(values[flag] === false))
      values.options[call][option] = read(`--${flag}`, schema, form, values[flag]);
  }
  return values;
}

function read(name, schema, form, value) {
  switch (form) {
    case "on":
    case "off":
      return form === "on";
    case "onoff":
      return ["on", "true"].includes(oneOf(name, ["on", "off", "true", "false"], value));
    case "name":
      return oneOf(name, schema.enum, value);
    case "either":
      return schema.anyOf.some(({ enum: names }) => names?.includes(value)) ? value : number(name, value);
    case "number":
      return number(name, value);
    case "numbers":
      return value.split(",").map((item) => number(name, item));
    case "json":
      try {
        return JSON.parse(value);
      } catch {
        throw new Stop(`${name} needs JSON, not "${value}".`);
      }
    default:
      return value;
  }
}

function oneOf(name, known, value) {
  if (!known.includes(value)) throw new Stop(`${name} is one of ${known.join(", ")}, not "${value}".`);
  return value;
}

function number(name, text) {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new Stop(`${name} needs a number, not "${text}".`);
  return value;
}

const kebab = (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
