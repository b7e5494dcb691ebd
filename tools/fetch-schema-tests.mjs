// Fetches the official tests of JSON Schema (draft 2020-12) into models/json-schema-tests, once: the tests of grammars run on
// them (`cargo test --release -p sotto-grammar suite`). They come in the source package of Python's jsonschema, which pip
// finds and downloads; no file of it becomes part of this repository.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT, Stop, tool } from "./setup.mjs";

const PACKAGE = "jsonschema==4.25.1";
const SHA256 = "e4a9655ce0da0c0b67a085847e00a3a51449e1157f4f75e9fb5aa545e122eb85";

/** Takes the draft's tests out of the archive given into the folder given, each named by its path in the suite. */
const UNPACK = `
import os, sys, tarfile
MARK = "/json/tests/draft2020-12/"
with tarfile.open(sys.argv[1]) as archive:
    for member in archive:
        if member.isfile() and MARK in member.name:
            path = os.path.join(sys.argv[2], *member.name.split(MARK)[1].split("/"))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as out:
                out.write(archive.extractfile(member).read())
`;

/** Path of the folder; fetches the tests if they are not there. */
export function fetchSchemaTests() {
  const folder = join(ROOT, "models", "json-schema-tests");
  if (existsSync(folder)) return folder;
  mkdirSync(join(ROOT, "models"), { recursive: true });
  console.error(`Fetching the tests of JSON Schema in ${PACKAGE} (MIT), once…`);
  const work = mkdtempSync(join(ROOT, "models", ".fetch-"));
  try {
    const args = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", "jsonschema"];
    python(["-m", "pip", "download", ...args, "--dest", work, PACKAGE], "pip could not download it");
    const archive = readdirSync(work).find((file) => file.endsWith(".tar.gz"));
    if (!archive) throw new Stop(`pip downloaded no source package of ${PACKAGE}.`);
    const path = join(work, archive);
    const sum = createHash("sha256").update(readFileSync(path)).digest("hex");
    if (sum !== SHA256) throw new Stop(`${archive} arrived with SHA-256 ${sum} instead of ${SHA256}; try again.`);
    const whole = join(work, "tests");
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
  if (error?.code === "ENOENT") throw new Stop("fetching the tests needs Python with pip; install python3-pip.");
  if (status !== 0) throw new Stop(`${complaint}: ${(stderr ?? "").trim().split("\n").at(-1)}`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await tool(async () => console.log(fetchSchemaTests()));
