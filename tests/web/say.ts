/** Says which adapter the tests run on, before they do. */
import type { FullConfig } from "@playwright/test";
import { tinyModel } from "../../tools/tiny-model.mjs";

export default function say({ projects }: FullConfig): void {
  // The generator of models is compiled now: a load gives up on a server that says nothing for a minute.
  tinyModel("llama-f16");
  for (const { metadata } of projects) if (metadata.says) console.error(metadata.says);
}
