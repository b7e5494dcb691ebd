// Firefox and WebKitGTK as a distribution has them, each by its own protocol, behind the same few calls.
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { Stop, aptInstall, onPath } from "../setup.mjs";

/**
 * How each is started: `{ label, goto(url), evaluate(function, argument), script(text), type(text), press(key), close() }`, where
 * `evaluate` gives what the function's promise comes to.
 */
export const BROWSERS = { firefox, webkit };

/** The program of one of these names; installed from a Debian package where it is not there and that can be done. */
function program(names, found, ...packages) {
  const path = found() ?? (aptInstall(...packages) ? found() : undefined);
  if (!path) throw new Stop(`${names} is not there; install it (Debian: ${packages.join(", ")}).`);
  return path;
}

async function firefox() {
  const { default: puppeteer } = await import("puppeteer-core");
  const executablePath =
    process.env.FIREFOX ?? program("Firefox", () => onPath("firefox-esr", "firefox"), "firefox-esr");
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath,
    headless: true,
    // A mouse that points finely and hovers: without a screen Firefox knows of none.
    extraPrefsFirefox: { "ui.primaryPointerCapabilities": 6, "ui.allPointerCapabilities": 6 },
  });
  const page = await browser.newPage();
  return {
    label: await browser.version(),
    goto: (url) => page.goto(url),
    evaluate: (work, argument) => page.evaluate(work, argument),
    script: (text) => page.evaluate(text),
    type: (text) => page.keyboard.type(text),
    press: (key) => page.keyboard.press(key),
    close: () => browser.close(),
  };
}

/** Longest wait for a script, milliseconds: a model is loaded in it. */
const PATIENCE = 120_000;

/** Its small browser, on a screen that nobody sees. */
async function webkit() {
  const { Builder, Capabilities, Key } = await import("selenium-webdriver");
  const packages = ["webkit2gtk-driver", "xvfb"];
  const driverPath = program("WebKitWebDriver", () => onPath("WebKitWebDriver"), ...packages);
  const screenPath = program("Xvfb", () => onPath("Xvfb"), ...packages);
  const binary = program("WebKitGTK's MiniBrowser", miniBrowser, ...packages);
  const ended = [];
  const end = () => {
    for (const it of ended) it.kill();
  };
  process.once("exit", end);
  // It tells which number it has taken.
  const screen = spawn(screenPath, ["-displayfd", "1", "-screen", "0", "1280x900x24"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  ended.push(screen);
  const [display] = await once(screen.stdout, "data");
  const port = await freePort();
  const env = { ...process.env, DISPLAY: `:${String(display).trim()}` };
  ended.push(spawn(driverPath, [`--port=${port}`], { env, stdio: "ignore" }));
  await reached(`http://127.0.0.1:${port}/status`);
  const options = { binary, args: ["--automation"] };
  const capabilities = new Capabilities({ browserName: "MiniBrowser", "webkitgtk:browserOptions": options });
  const driver = await new Builder().usingServer(`http://127.0.0.1:${port}`).withCapabilities(capabilities).build();
  await driver.manage().setTimeouts({ script: PATIENCE, pageLoad: PATIENCE });
  const version = (await driver.getCapabilities()).get("browserVersion");
  const keys = (text) => driver.actions().sendKeys(text).perform();
  return {
    label: `WebKitGTK ${version}`,
    goto: (url) => driver.get(url),
    evaluate: (work, argument) => driver.executeScript(`return (${work})(...arguments)`, argument),
    script: (text) => driver.executeScript(text),
    type: keys,
    press: (key) => keys(Key[key.toUpperCase()] ?? key),
    close: async () => {
      await driver.quit();
      end();
    },
  };
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Waits until something answers there. */
async function reached(url) {
  for (let tries = 0; ; tries++) {
    try {
      return await fetch(url);
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** It is no command: each version has it in a folder of its own. */
function miniBrowser() {
  const libraries = join("/usr/lib", { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" }[process.arch] ?? "");
  const [folder] = existsSync(libraries) ? readdirSync(libraries).filter((name) => name.startsWith("webkit2gtk-")) : [];
  const path = join(libraries, folder ?? "", "MiniBrowser");
  return existsSync(path) ? path : undefined;
}
