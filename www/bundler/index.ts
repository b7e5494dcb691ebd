/**
 * Plugins for bundlers that leave `new URL("./worker.js", import.meta.url)` as it is: they put the worker and the wasm files
 * beside the script that Sotto is bundled into. Vite, webpack, Rspack, Parcel and Next need none.
 *
 *     import { esbuild } from "sotto/bundler";
 *     await build({ entryPoints: ["app.js"], bundle: true, format: "esm", outdir: "dist", plugins: [esbuild()] });
 */
import { copyFile, readFile } from "node:fs/promises";
import { dirname, join, posix, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { FILES } from "../wire/files.js";

const PACKAGE = dirname(fileURLToPath(import.meta.url));
const ENTRY = join(PACKAGE, "index.js");

/** What is needed of esbuild's types. */
interface Build {
  initialOptions: { format?: string; metafile?: boolean; absWorkingDir?: string };
  onStart(run: () => { errors: { text: string }[] } | undefined): void;
  onEnd(run: (result: { metafile?: Metafile | undefined }) => Promise<void>): void;
}

interface Metafile {
  outputs: Record<string, { inputs: object }>;
}

/** A plugin for esbuild; its `format` has to be `"esm"`. */
export function esbuild(): { name: string; setup(build: Build): void } {
  return {
    name: "sotto",
    setup(build) {
      const options = build.initialOptions;
      options.metafile = true;
      const wrong = {
        errors: [{ text: 'Sotto finds its worker by import.meta.url; set esbuild\'s format to "esm".' }],
      };
      build.onStart(() => (options.format === "esm" ? undefined : wrong));
      build.onEnd(async ({ metafile }) => {
        const at = (path: string) => resolve(options.absWorkingDir ?? process.cwd(), path);
        const folders = Object.entries(metafile?.outputs ?? {})
          .filter(([, { inputs }]) => Object.keys(inputs).some((input) => at(input) === ENTRY))
          .map(([output]) => dirname(at(output)));
        for (const folder of new Set(folders))
          await Promise.all(FILES.map((file) => copyFile(join(PACKAGE, file), join(folder, file))));
      });
    },
  };
}

/** What is needed of Rollup's types. */
interface Emitter {
  emitFile(file: { type: "asset"; fileName: string; source: Uint8Array }): unknown;
}

type Bundle = Record<string, { type: string; fileName: string; moduleIds?: string[] }>;

/** A plugin for Rollup and Rolldown; their output's `format` has to be `"es"`. */
export function rollup(): {
  name: string;
  generateBundle(this: Emitter, options: { format: string }, bundle: Bundle): Promise<void>;
} {
  return {
    name: "sotto",
    async generateBundle({ format }, bundle) {
      const chunks = Object.values(bundle).filter(({ moduleIds }) => moduleIds?.some((id) => resolve(id) === ENTRY));
      if (chunks.length > 0 && format !== "es")
        throw new Error('Sotto finds its worker by import.meta.url; set the output\'s format to "es".');
      for (const folder of new Set(chunks.map(({ fileName }) => posix.dirname(fileName)))) {
        for (const file of FILES) {
          const source = await readFile(join(PACKAGE, file));
          this.emitFile({ type: "asset", fileName: posix.join(folder, file), source });
        }
      }
    },
  };
}
