// Flags: a command's own, and those of a call's options, which the schema lists (crate/bin/sotto/flags.rs does the same).
import { parseArgs } from "node:util";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, Stop } from "../setup.mjs";

const SCHEMA = JSON.parse(readFileSync(join(ROOT, "www", "wire", "schema.json"), "utf8"));

/** As often as it is given, so that a second time can be refused. */
const text = { type: "string", multiple: true };
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
export function options({ calls = [] }) {
  return calls.flatMap((call) => {
    // Those that are no flags have another one in their place.
    const own = Object.entries(SCHEMA[call].properties).filter(([, schema]) => schema.flag !== false);
    return own.map(([option, schema]) => {
      const written = form(schema);
      return { call, option, schema, form: written, flag: `${written === "off" ? "no-" : ""}${kebab(option)}` };
    });
  });
}

/** The command's own flags by name, and the options of each call in `options`. */
export function readFlags(command, args) {
  const listed = options(command);
  const flags = { ...COMMON, ...Object.fromEntries((command.switches ?? []).map((name) => [name, flag])) };
  for (const name of [...command.texts, ...(command.lists ?? [])]) flags[name] = text;
  for (const { flag: name, form } of listed) flags[name] = form === "on" || form === "off" ? flag : text;
  let values;
  try {
    // parseArgs takes "-1" for a flag unless it is joined to its name.
    const joined = args.flatMap((arg, i) =>
      /^-[\d.]/.test(arg) && i > 0 ? [] : /^-[\d.]/.test(args[i + 1] ?? "") ? [`${arg}=${args[i + 1]}`] : [arg],
    );
    ({ values } = parseArgs({ args: joined, options: flags }));
  } catch (error) {
    throw new Stop(`${error.message.split(/[.;] |\n/)[0].replace(/\.$/, "")}; see --help.`);
  }
  const several = [...(command.lists ?? []), ...listed.filter(({ form }) => form === "texts").map(({ flag }) => flag)];
  for (const [name, given] of Object.entries(values)) {
    if (!Array.isArray(given) || several.includes(name)) continue;
    if (given.length > 1) throw new Stop(`--${name} was given ${given.length} times; give it once.`);
    values[name] = given[0];
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

/** What a page is advised, and a command. */
const ADVICE = [
  [/\bbackend "(\w+)"/g, "--backend $1"],
  [/\bgive truncate,/g, "give --truncate,"],
  [/\bpass hub: \{ token \}/g, "set HF_TOKEN"],
];

/** A page's message, with the flags of the command in place of the names of options. */
export function inFlags(message, command) {
  const names = options(command).map(({ option, flag }) => {
    // Names of one word are words of sentences, too.
    const name = /[A-Z]/.test(option) ? `(?<![^\\s(])${option}\\b` : `^${option}(?= is |\\[)`;
    return [new RegExp(name, "g"), `--${flag}`];
  });
  return [...names, ...ADVICE].reduce((text, [words, flag]) => text.replace(words, flag), message);
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
