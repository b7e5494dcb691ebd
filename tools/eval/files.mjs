// "Ask your files" of the chat page with real models, by the built package in headless Chromium: three texts, searched by words and by
// meaning, questions with one answer each, and one that no text answers. Prints the answers and their sources, to be read; fails where
// the passage with the answer is not among those found. Run by hand.
//   node tools/eval/files.mjs [--encoder FILE] [--by meaning|words]
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launchBrowser } from "../browser.mjs";
import { startChat } from "../chat-server.mjs";
import { ROOT, Stop, tool } from "../setup.mjs";

const FILES = {
  "guarantee.md": `# Guarantee

The bicycle is under guarantee for six years, the battery for two. Keep the receipt.

# Returns

What you do not like you may send back within 30 days. You pay for the parcel.

# Repairs

A first service after 300 kilometres is free. Later ones cost 49 euros, and take three working days.`,
  "manual.md": `# Charging

Charge the battery with the charger that came with it, at 5 to 35 degrees. An empty battery is full after four hours.

# Tyres

The tyres want 3.5 to 5 bar. Look at them once a month, and change them when the blue stripe shows.

# Lights

The front light is switched on by a long press of the left button. It goes out two minutes after you have stopped.`,
  "shop.txt": `Our shop is in Mill Lane 12. We are open from Tuesday to Saturday, from ten to six. On Mondays the workshop alone is open.

Test rides are on Saturdays. Please call the day before: 030 555 0192.`,
};

/** Questions in other words than the texts have, and what the passage with the answer says. */
const QUESTIONS = {
  "How long is the battery's guarantee?": "six years, the battery for two",
  "May I bring it back if it does not please me?": "send back within 30 days",
  "How much pressure do the wheels need?": "3.5 to 5 bar",
  "When does the lamp turn itself off?": "two minutes after",
  "On which day can I try a bicycle?": "Test rides are on Saturdays",
  "What does the second inspection cost?": "49 euros",
  "Who is the president of France?": undefined,
};

await tool(async () => {
  const { values } = parseArgs({
    options: {
      encoder: { type: "string", default: join(ROOT, "models", "bge-small-en-v1.5-q8_0.gguf") },
      by: { type: "string", default: "meaning" },
    },
  });
  const { encoder, by } = values;
  if (by === "meaning" && !existsSync(encoder))
    throw new Stop(`${encoder} is not there; name a model that embeds by --encoder.`);
  const { url, close } = await startChat({ port: 0 });
  const { browser, page } = await launchBrowser(url);
  try {
    // The hub's answers, with the file that is here in the place of the one that it has.
    await page.route("https://huggingface.co/**", (route) => {
      const headers = { "access-control-allow-origin": "*" };
      const size = statSync(encoder).size;
      if (new URL(route.request().url()).pathname.startsWith("/api/"))
        return route.fulfill({ headers, json: [{ type: "file", path: "model-q8_0.gguf", size }] });
      return route.fulfill({ headers, path: encoder });
    });
    await page.getByRole("button", { name: "Load", exact: true }).first().click();
    await page.getByRole("textbox", { name: "Write a message" }).waitFor({ timeout: 120_000 });
    await page.getByRole("button", { name: "Ask your files" }).click();
    const dialog = page.getByRole("dialog", { name: "Ask your files" });
    if (by === "words") await dialog.getByLabel("Searched by").selectOption("");
    const files = Object.entries(FILES).map(([name, text]) => ({
      name,
      mimeType: "text/plain",
      buffer: Buffer.from(text),
    }));
    await dialog.getByLabel(/Drop text files/).setInputFiles(files);
    await dialog
      .getByRole("listitem")
      .nth(files.length - 1)
      .waitFor({ timeout: 120_000 });
    const missed = [];
    for (const [question, passage] of Object.entries(QUESTIONS)) {
      await dialog.getByLabel("Question").fill(question);
      await page.keyboard.press("Enter");
      await dialog
        .getByRole("button", { name: "Stop" })
        .waitFor({ timeout: 5000 })
        .catch(() => {});
      await dialog.getByRole("button", { name: "Ask", exact: true }).waitFor({ timeout: 300_000 });
      const found = await dialog
        .locator("#files-sources details")
        .evaluateAll((all) => all.map((it) => it.textContent));
      const at = passage === undefined ? undefined : found.findIndex((text) => text.includes(passage));
      if (at === -1) missed.push(question);
      const [answer, state] = await Promise.all(
        ["#files-answer", "#files-state"].map((id) => dialog.locator(id).textContent()),
      );
      console.log(`\n${question}\n  ${answer || state}`);
      console.log(
        `  found: ${found.map((text) => text.slice(0, 24).replaceAll("\n", " ")).join(" | ")}${at > -1 ? `; the answer is in [${at + 1}]` : ""}`,
      );
    }
    await page.screenshot({ path: join(ROOT, "test-results", `files by ${by}.png`) });
    if (missed.length > 0) throw new Stop(`the passage was not found for: ${missed.join(" ")}`);
  } finally {
    await browser.close();
    await close();
  }
});
