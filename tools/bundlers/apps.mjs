// An app for each bundler: what is installed, its files beside main.js, how it is built, and the folder of the result.
// `page` is the address that the app is at; a bundler that makes no page gets one beside main.js.

const HTML = '<!doctype html><meta charset="utf-8"><script type="module" src="./main.js"></script>';

/** A script that calls a bundler's API. */
const script = (source) => ({ files: { "build.mjs": source }, build: ["node", "build.mjs"] });

/** Configuration that webpack and Rspack share. */
const PACK =
  'module.exports = { entry: "./main.js", mode: "production", output: { filename: "main.js", path: __dirname + "/out" } };';

/** The app is a component: pages of Next are rendered on a server first. */
const NEXT = {
  files: {
    "app/layout.jsx": "export default ({ children }) => <html><body>{children}</body></html>;",
    "app/page.jsx":
      '"use client"; import { useEffect } from "react"; export default function Page() { useEffect(() => void import("../main.js"), []); }',
    "next.config.mjs": 'export default { output: "export" };',
  },
  packages: { next: "16.4.6", react: "19.3.1", "react-dom": "19.3.1" },
  page: "index.html",
};

export const APPS = {
  vite: {
    packages: { vite: "8.3.8" },
    files: { "index.html": HTML },
    build: ["vite", "build", "--outDir", "out", "--base", "./"],
    page: "index.html",
  },
  esbuild: {
    packages: { esbuild: "0.28.2" },
    ...script(`import { build } from "esbuild"; import { esbuild } from "sotto/bundler";
await build({ entryPoints: ["main.js"], bundle: true, format: "esm", outdir: "out", plugins: [esbuild()] });`),
  },
  rollup: {
    packages: { rollup: "4.68.8", "@rollup/plugin-node-resolve": "16.0.3" },
    ...script(`import { rollup } from "rollup"; import resolve from "@rollup/plugin-node-resolve"; import { rollup as sotto } from "sotto/bundler";
const bundle = await rollup({ input: "main.js", plugins: [resolve(), sotto()] });
await bundle.write({ dir: "out", format: "es" });`),
  },
  rolldown: {
    packages: { rolldown: "1.2.19" },
    ...script(`import { rolldown } from "rolldown"; import { rollup as sotto } from "sotto/bundler";
const bundle = await rolldown({ input: "main.js", plugins: [sotto()] });
await bundle.write({ dir: "out", format: "esm" });`),
  },
  webpack: {
    packages: { webpack: "5.112.2", "webpack-cli": "7.3.1" },
    files: { "webpack.config.cjs": PACK },
    build: ["webpack"],
  },
  rspack: {
    packages: { "@rspack/core": "2.3.3", "@rspack/cli": "2.2.8" },
    files: { "rspack.config.cjs": PACK },
    build: ["rspack", "build"],
  },
  parcel: {
    packages: { parcel: "2.16.4" },
    files: { "index.html": HTML },
    build: ["parcel", "build", "index.html", "--dist-dir", "out", "--no-source-maps"],
    page: "index.html",
  },
  "next-turbopack": { ...NEXT, build: ["next", "build", "--turbopack"] },
  "next-webpack": { ...NEXT, build: ["next", "build", "--webpack"] },
  /** No bundler: the package's folder on the server, and a map of its name. */
  "import-map": {
    packages: {},
    files: {
      "index.html": HTML.replace(
        "<script",
        '<script type="importmap">{"imports":{"sotto":"./node_modules/sotto/dist/index.js"}}</script><script',
      ),
    },
    page: "index.html",
    out: ".",
  },
};

export { HTML };
