import { readdirSync } from "node:fs";

/** Builds sw.js with the names of all files of the build: those of public/ and the package's worker and wasm, too. */
const worker = {
  name: "service-worker",
  apply: "build",
  buildStart() {
    this.emitFile({ type: "chunk", id: "sw.js", fileName: "sw.js" });
  },
  generateBundle: {
    order: "post",
    handler(_, bundle) {
      const { "sw.js": own, ...others } = bundle;
      const files = [...Object.keys(others), ...readdirSync("public")];
      own.code = own.code
        .replace(/(["'`])__FILES__\1/, JSON.stringify(files))
        .replace("__VERSION__", String(Date.now()));
    },
  },
  enforce: "post",
};

export default { base: "./", plugins: [worker] };
