import { readFileSync, readdirSync } from "node:fs";

/** Writes sw.js with the names of all files of the build: those of public/ and the package's worker and wasm, too. */
const worker = {
  name: "service-worker",
  generateBundle: {
    order: "post",
    handler(_, bundle) {
      const files = [...Object.keys(bundle), ...readdirSync("public")];
      const source = readFileSync("sw.js", "utf8").replace('"__FILES__"', JSON.stringify(files));
      this.emitFile({ type: "asset", fileName: "sw.js", source: source.replace("__VERSION__", Date.now()) });
    },
  },
  enforce: "post",
};

export default { base: "./", plugins: [worker] };
