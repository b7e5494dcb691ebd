// What the peers need, installed on first use: their npm packages, Python's onnx, gguf and safetensors in a
// virtual environment, and the graph of a model. All of it lies in ignored folders of tools/peers/.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { createHash } from "node:crypto";
import { ROOT, Stop, ensureOwnPackages, run } from "../setup.mjs";

export const HERE = join(ROOT, "tools", "peers");
const PYTHON_PACKAGES = ["onnx==1.23.2", "gguf==0.19.0", "numpy==2.4.6", "safetensors==0.8.0"];

export const ensurePeerPackages = () => ensureOwnPackages(HERE);

export function packageVersion(name) {
  return JSON.parse(readFileSync(join(HERE, "node_modules", name, "package.json"), "utf8")).version;
}

export function python() {
  const folder = join(HERE, ".venv");
  const path = join(folder, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  const ready = () => existsSync(path) && spawnSync(path, ["-c", "import onnx, gguf, numpy, safetensors"]).status === 0;
  if (ready()) return path;
  console.error("Setting up Python's onnx, gguf and safetensors, once…");
  run("python3", ["-m", "venv", folder]);
  run(path, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...PYTHON_PACKAGES]);
  if (!ready())
    throw new Stop(`the Python packages ${PYTHON_PACKAGES.join(", ")} do not import; remove ${folder} and try again.`);
  return path;
}

/**
 * The folder below .models/ with the model's graphs and weights; a new script or file makes them
 * again. `bits8`: every matrix in 8 bits, for check.mjs.
 */
export function ensureGraph(model, { bits8 = false } = {}) {
  const script = join(HERE, "gguf_to_onnx.py");
  const { size, mtimeMs } = statSync(model);
  const key = createHash("sha256").update(readFileSync(script)).update(`${size} ${mtimeMs}`).digest("hex").slice(0, 12);
  const name = `${basename(model)}-${key}${bits8 ? "-check" : ""}`;
  const folder = join(HERE, ".models", name);
  if (existsSync(folder)) return name;
  console.error(`Writing ${basename(model)} as an ONNX graph, once…`);
  mkdirSync(join(HERE, ".models"), { recursive: true });
  const part = `${folder}.part`;
  rmSync(part, { recursive: true, force: true });
  run(python(), [script, model, part, ...(bits8 ? ["--bits8"] : [])]);
  renameSync(part, folder);
  return name;
}
