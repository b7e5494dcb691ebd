// `npm run test:published`: packs the package, and lets publint and Are The Types Wrong look at it: whether its exports, its files
// and its types are found by those who install it. Sotto is ES modules alone. Run by hand; both come from npm on first use.
import { join } from "node:path";
import { pack } from "../bundlers/packed.mjs";
import { ROOT, Stop, TARGET, ensureOwnPackages, run, tool } from "../setup.mjs";

const HERE = join(ROOT, "tools", "published");

/** Files that pages have by their addresses, and that no module imports. */
const ADDRESSED = /\.wasm$|^\.\/worker\.js$/;

const ESM_ONLY = ["--profile", "esm-only", "--exclude-entrypoints"];

await tool(async () => {
  ensureOwnPackages(HERE);
  const { default: manifest } = await import("../../package.json", { with: { type: "json" } });
  const addressed = Object.keys(manifest.exports).filter((name) => ADDRESSED.test(name));
  const tarball = pack(join(TARGET, "published"));
  const checks = {
    publint: ["publint/src/cli.js", tarball, "--strict"],
    "Are The Types Wrong": ["@arethetypeswrong/cli/dist/index.js", tarball, ...ESM_ONLY, ...addressed],
  };
  const failed = Object.keys(checks).filter((name) => {
    const [path, ...args] = checks[name];
    return !run(process.execPath, [join(HERE, "node_modules", path), ...args], { optional: true });
  });
  if (failed.length > 0) throw new Stop(`not content: ${failed.join(", ")}; the output above says why.`);
});
