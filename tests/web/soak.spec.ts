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
