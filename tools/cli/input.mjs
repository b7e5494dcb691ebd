// What commands work on: texts and messages, from flags and files.
import { readFileSync } from "node:fs";
import { Stop } from "../setup.mjs";

/** The texts to work on, each with its name in a batch. */
export function readTexts(values, direct, file) {
  only(values, [direct, file, "batch"]);
  if (values[direct] !== undefined) return [{ text: values[direct] }];
  if (values[file] !== undefined) return [{ text: readText(values[file]) }];
  const batch = readBatch(values.batch);
  const good = batch.every(({ name, text }) => typeof name === "string" && typeof text === "string");
  if (!good) throw new Stop(`${values.batch} must be an array of {"name", "text"}.`);
  return batch;
}

/** Exactly one of the flags is there. */
export function only(values, flags) {
  const given = flags.filter((name) => values[name] !== undefined);
  if (given.length === 0) throw new Stop(`one of ${listed(flags)} is needed; see --help.`);
  if (given.length > 1) throw new Stop(`${listed(given)} do not go together; give one of them.`);
}

function listed(flags) {
  const names = flags.map((name) => `--${name}`);
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

export function readBatch(path) {
  let batch;
  try {
    batch = JSON.parse(readJson(path));
  } catch (error) {
    if (error instanceof Stop) throw error;
    throw new Stop(`${path} is not JSON: ${error.message}`);
  }
  const good = Array.isArray(batch) && batch.every((item) => item !== null && typeof item === "object");
  if (!good) throw new Stop(`${path} must be an array of objects.`);
  return batch;
}

/** A request in OpenAI's shape. */
export function readRequest({ request: path, stream }) {
  try {
    const request = JSON.parse(readJson(path));
    return stream ? { ...request, stream } : request;
  } catch (error) {
    if (error instanceof Stop) throw error;
    throw new Stop(`'${path}' is not JSON: ${error.message}`);
  }
}

/** Some editors put a byte-order mark first, which is none of JSON. */
const readJson = (path) => readText(path).replace(/^\uFEFF/, "");

export function readText(path) {
  let bytes;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (error.code === "EISDIR") throw new Stop(`${path} is a folder; give a file.`);
    throw new Stop(`cannot read ${path}: ${error.code ?? error.message}.`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Stop(`${path} is not text in UTF-8; save it in that encoding.`);
  }
}
