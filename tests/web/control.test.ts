import { afterEach, expect, test, vi } from "vitest";
import { LoadControl } from "../../www/api/control.js";
import { readOptions } from "../../www/api/arguments.js";
import { open } from "../../www/worker/fetch.js";
import { gateOf } from "../../www/worker/gate.js";
import { PATIENCE } from "../../www/worker/remote.js";
import { madeUp, serveFile } from "./file-server.js";
import { codeOf } from "./harness.js";

afterEach(() => vi.unstubAllGlobals());

const said = () => new Promise((resolve) => setTimeout(resolve, 50));

test("a paused download waits, goes on where it was, and can be stopped meanwhile", async () => {
  const file = madeUp(3 << 20);
  const server = await serveFile(file);
  // Reactive frameworks keep objects in proxies.
  const control = new Proxy(new LoadControl(), {});
  const patience = { ...PATIENCE, gate: gateOf(control.connect()) };
  const stopping = new AbortController();
  const read = async () => {
    const source = { kind: "url", url: server.url, cache: "none" } as const;
    const feed = await open(source, stopping.signal, { patience });
    for await (const chunk of feed.chunks) {
      got += chunk.length;
      if (got < 1 << 20 || paused) continue;
      paused = true;
      control.pause();
      await said();
    }
  };
  let got = 0;
  let paused = false;
  const reading = read();
  while (!control.isPaused()) await said();
  await said();
  const held = got;
  await said();
  expect(got).toBe(held);
  expect(held).toBeLessThan(file.length);
  control.resume();
  await reading;
  expect(got).toBe(file.length);
  got = 0;
  paused = false;
  const stopped = codeOf(read());
  while (!control.isPaused()) await said();
  stopping.abort();
  expect(await stopped).toBe("aborted");
  server.close();
});

test("what is no control is refused", () => {
  expect(readOptions("load", { control: new LoadControl() }).page.control).toBeDefined();
  for (const control of [5, {}, "pause"]) expect(() => readOptions("load", { control })).toThrow("a LoadControl");
});
