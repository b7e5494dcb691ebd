// Fetches the chat templates that llama.cpp's source carries into models/llama.cpp-templates, once: tests of the forms of
// tool calls run on them (`cargo test --release --test native forms`). They come in the source package of
// llama-cpp-python.
import { pathToFileURL } from "node:url";
import { fetchSource } from "./fetch-source.mjs";
import { tool } from "./setup.mjs";

/** Path of the folder; fetches the templates if they are not there. */
export const fetchTemplates = () =>
  fetchSource({
    name: "llama-cpp-python",
    version: "0.3.36",
    sha256: "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e",
    licence: "MIT",
    what: "templates",
    into: "llama.cpp-templates",
    inside: "/models/templates/",
    end: ".jinja",
  });

if (import.meta.url === pathToFileURL(process.argv[1]).href) await tool(async () => console.log(fetchTemplates()));
