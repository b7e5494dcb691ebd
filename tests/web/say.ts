/** Says which adapter the tests run on, before they do. */
import type { FullConfig } from "@playwright/test";

export default function say({ projects }: FullConfig): void {
  for (const { metadata } of projects) if (metadata.says) console.error(metadata.says);
}
