// Fetches the chat templates that llama.cpp's source carries into models/llama.cpp-templates, once: tests of the forms of
// tool calls run on them (`cargo test --release --test native forms`). They come in the source package of
// llama-cpp-python, which pip finds and downloads; no file of it becomes part of this repository.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT, Stop, tool } from "./setup.mjs";

const PACKAGE = "llama-cpp-python==0.3.36";
const SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e";

/** Takes the templates out of the archive given into the folder given, whatever the archive's other files. */
const UNPACK = `
import os, sys, tarfile
with tarfile.open(sys.argv[1]) as archive:
    for member in archive:
        if member.isfile() and "/models/templates/" in member.name and member.name.endswith(".jinja"):
            with open(os.path.join(sys.argv[2], os.path.basename(member.name)), "wb") as out:
                out.write(archive.extractfile(member).read())
`;

/** Path of the folder; fetches the templates if they are not there. */
export function fetchTemplates() {
  const folder = join(ROOT, "models", "llama.cpp-templates");
  if (existsSync(folder)) return folder;
  mkdirSync(join(ROOT, "models"), { recursive: true });
  console.error(`Fetching the templates in ${PACKAGE} (MIT), once…`);
  const work = mkdtempSync(join(ROOT, "models", ".fetch-"));
  try {
    const args = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", "llama-cpp-python"];
    python(["-m", "pip", "download", ...args, "--dest", work, PACKAGE], "pip could not download it");
    const archive = readdirSync(work).find((file) => file.endsWith(".tar.gz"));
    if (!archive) throw new Stop(`pip downloaded no source package of ${PACKAGE}.`);
    const path = join(work, archive);
    const sum = createHash("sha256").update(readFileSync(path)).digest("hex");
    if (sum !== SHA256) throw new Stop(`${archive} arrived with SHA-256 ${sum} instead of ${SHA256}; try again.`);
    const whole = join(work, "templates");
    mkdirSync(whole);
    python(["-c", UNPACK, path, whole], `${archive} could not be unpacked`);
    renameSync(whole, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}

function python(args, complaint) {
  const { status, error, stderr } = spawnSync("python3", args, { encoding: "utf8" });
  if (error?.code === "ENOENT") throw new Stop("fetching the templates needs Python with pip; install python3-pip.");
  if (status !== 0) throw new Stop(`${complaint}: ${(stderr ?? "").trim().split("\n").at(-1)}`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await tool(async () => console.log(fetchTemplates()));
