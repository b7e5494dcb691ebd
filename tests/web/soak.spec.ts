/** Nothing stays behind: the short form of `npm run soak`. */
import { serveModel, soak } from "../../tools/soak.mjs";
import { expect, test, tinyModel } from "./servers.js";

const ROUNDS = { threads: 30, one: 8, webgpu: 5 } as const;

for (const mode of ["threads", "one", "webgpu"] as const) {
  test(`${mode}: after ${ROUNDS[mode]} rounds of load, replies, abort and dispose no worker is left, nor memory`, async ({
    browser,
  }) => {
    const server = await serveModel(tinyModel("llama-f32"));
    const { problems } = await soak(browser, server.url, { rounds: ROUNDS[mode], mode });
    expect(problems).toEqual([]);
    server.close();
  });
}

test("a loaded model keeps no database open", async ({ page }) => {
  const server = await serveModel(tinyModel("llama-f32"));
  await page.goto(server.url);
  const outcome = await page.evaluate(async () => {
    const url = "/dist/index.js";
    const { load }: typeof import("../../www/api/index.js") = await import(url);
    const model = await load("/model.gguf", { backend: "cpu", contextLength: 128 });
    const outcome = await new Promise<string>((resolve) => {
      const request = indexedDB.deleteDatabase("sotto");
      request.onsuccess = () => resolve("deleted");
      request.onblocked = () => resolve("blocked");
      request.onerror = () => resolve("failed");
    });
    await model.dispose();
    return outcome;
  });
  expect(outcome).toBe("deleted");
  server.close();
});
