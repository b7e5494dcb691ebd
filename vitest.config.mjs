import { fileURLToPath } from "node:url";

const www = (path) => fileURLToPath(new URL(`www/${path}`, import.meta.url));

export default {
  // The package by its own name, as pieces import it.
  resolve: {
    alias: [
      { find: /^sotto$/, replacement: www("api/index.ts") },
      { find: /^sotto\/(.*)$/, replacement: www("pieces/$1/index.ts") },
    ],
  },
  test: { include: ["tests/web/**/*.test.ts"], pool: "threads" },
};
