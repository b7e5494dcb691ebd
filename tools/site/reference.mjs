// The reference: a page for each module of the package and for what it gives, made by TypeDoc of the types and what is
// written at them.
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Application, ReflectionKind } from "typedoc";
import { ROOT, Stop } from "../setup.mjs";
import { MODULES } from "./contents.mjs";

const HERE = join(ROOT, "tools", "site");

/** Writes the pages into `folder`/api, and gives the sidebar's entries for them. */
export async function writeReference(folder) {
  const out = join(folder, "api");
  mkdirSync(out, { recursive: true });
  const options = {
    entryPoints: Object.values(MODULES).map((path) => join(ROOT, path)),
    tsconfig: join(HERE, "tsconfig.json"),
    plugin: ["typedoc-plugin-markdown", "typedoc-vitepress-theme"],
    out,
    docsRoot: folder,
    readme: "none",
    name: "Reference",
    disableSources: true,
    excludePrivate: true,
    excludeProtected: true,
    excludeInternal: true,
    excludeExternals: true,
    hideBreadcrumbs: true,
    hidePageHeader: true,
    useCodeBlocks: true,
    parametersFormat: "table",
    propertiesFormat: "table",
    interfacePropertiesFormat: "table",
    enumMembersFormat: "table",
    typeDeclarationFormat: "table",
    logLevel: "Error",
    validation: false,
  };
  const app = await Application.bootstrapWithPlugins(options);
  const project = await app.convert();
  if (!project) throw new Stop("the reference could not be read off the types; TypeDoc's output above says why.");
  // Where a member is written down helps nobody who calls it.
  for (const reflection of project.getReflectionsByKind(ReflectionKind.All)) delete reflection.inheritedFrom;
  // Modules by the names that people import.
  for (const module of project.children ?? []) {
    const found = Object.entries(MODULES).find(([, path]) => path === ["www", module.name, "index.ts"].join("/"));
    if (!found) throw new Stop(`the reference has a module ${module.name} that tools/site/contents.mjs does not know.`);
    module.name = found[0];
  }
  await app.generateOutputs(project);
  return JSON.parse(readFileSync(join(out, "typedoc-sidebar.json"), "utf8"));
}
