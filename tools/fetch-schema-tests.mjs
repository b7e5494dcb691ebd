// Fetches the official tests of JSON Schema (draft 2020-12) into models/json-schema-tests, once: the tests of grammars run on
// them (`cargo test --release -p sotto-grammar suite`). They come in the source package of Python's jsonschema.
import { pathToFileURL } from "node:url";
import { fetchSource } from "./fetch-source.mjs";
import { tool } from "./setup.mjs";

/** Path of the folder; fetches the tests if they are not there. */
export const fetchSchemaTests = () =>
  fetchSource({
    name: "jsonschema",
    version: "4.25.1",
    sha256: "e4a9655ce0da0c0b67a085847e00a3a51449e1157f4f75e9fb5aa545e122eb85",
    licence: "MIT",
    what: "tests of JSON Schema",
    into: "json-schema-tests",
    inside: "/json/tests/draft2020-12/",
    end: "",
  });

if (import.meta.url === pathToFileURL(process.argv[1]).href) await tool(async () => console.log(fetchSchemaTests()));
