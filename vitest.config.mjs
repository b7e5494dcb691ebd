import { fileURLToPath } from "node:url";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));

export default {
  // The package by its own name, as pieces import it.
  resolve: {
    alias: [
      { find: /^sotto$/, replacement: path("www/api/index.ts") },
      { find: /^sotto\/catalog$/, replacement: path("www/catalog/index.ts") },
      { find: /^sotto\/(.*)$/, replacement: path("www/pieces/$1/index.ts") },
    ],
  },
  // Some compile types or read whole tables: on a machine that does other things too, longer than five seconds.
  test: { testTimeout: 30_000, include: ["tests/web/**/*.test.ts"], pool: "threads", maxWorkers: 2 },
};
