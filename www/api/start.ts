/** Starts worker.js: from wherever it is served, and under the page's policy. */
import { whyNotStarted } from "./causes.js";
import { trustedByPage } from "./source.js";
import { type Endpoint, START_MS, Workers } from "./workers.js";
import { SottoError, said } from "../wire/errors.js";
import type { Address } from "../wire/protocol.js";

/** The name of the Trusted Types policy, which a page that requires them lists: `trusted-types sotto`. */
const POLICY = "sotto";

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

/** What a page's policy refused last: the directive's name. */
let refused: string | undefined;
let watching = false;
let policy: ReturnType<TrustedTypes["createPolicy"]> | undefined;
const blobs = new Map<string, string>();

/** The literal form is what bundlers look for. */
const asBundled = () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" });

/** Starts the worker at `given`, else the one beside this script. Throws a `SottoError`. */
export function startWorker(given?: string): Worker {
  watch();
  try {
    if (given !== undefined) return open(given, { type: "module" });
    try {
      return asBundled();
    } catch {
      // It is another origin's, or the page wants a trusted address.
      return open(...asked());
    }
  } catch (cause) {
    // This one is thrown at once; the others are events.
    if ("trustedTypes" in globalThis && cause instanceof TypeError) refused = "require-trusted-types-for";
    throw new SottoError("not_started", `The worker could not be started (${said(cause)}); ${advice()}.`, { cause });
  }
}

/** Workers of a page, which `start` starts; the script lies at `url`, if it is given. */
export const workersOf = (start: () => Endpoint, url?: string | Address): Workers =>
  new Workers(start, START_MS, () => whyNotStarted(url?.toString()));

/** What to do about a worker that does not start. */
export function advice(): string {
  const allowed = refused && REFUSED[refused];
  if (allowed) return `the page's policy refuses it by ${refused}: ${allowed}`;
  return "serve worker.js beside index.js or pass workerUrl, and let the page's policy allow it";
}

const WORKER = "allow 'self', or blob: and the package's origin where that is another";
const TRUSTED = `add "trusted-types ${POLICY}" to it`;
const REFUSED: Record<string, string> = {
  "worker-src": WORKER,
  "child-src": WORKER,
  "script-src": WORKER,
  "script-src-elem": WORKER,
  "default-src": WORKER,
  "require-trusted-types-for": TRUSTED,
  "trusted-types": TRUSTED,
};

/** Keeps what the page's policy refuses: errors of workers do not say it. */
function watch(): void {
  if (watching) return;
  watching = true;
  globalThis.addEventListener?.("securitypolicyviolation", ({ effectiveDirective }) => (refused = effectiveDirective));
}

/** The address and options that a bundler has put into the literal form. */
function asked(): [string, WorkerOptions] {
  const own = globalThis.Worker;
  let seen: [string, WorkerOptions] | undefined;
  class Catcher {
    constructor(url: string | URL, options: WorkerOptions = {}) {
      seen = [String(url), options];
    }
  }
  try {
    globalThis.Worker = Catcher as unknown as typeof Worker;
    asBundled();
  } finally {
    globalThis.Worker = own;
  }
  return seen!;
}

function open(url: string, options: WorkerOptions): Worker {
  const { origin, href } = new URL(url, globalThis.location?.href);
  const ours = origin === globalThis.location?.origin || !href.startsWith("http");
  const own = ours && trustedByPage.get(href);
  return new Worker((own || trusted(ours ? href : blob(href, options))) as string, options);
}

/** A script of this page that runs the one at `url`: browsers start workers from the page's own origin only. */
function blob(url: string, { type }: WorkerOptions): string {
  const line = `${type === "module" ? "import " : "importScripts("}${JSON.stringify(url)}${type === "module" ? "" : ")"};`;
  const made = blobs.get(line) ?? URL.createObjectURL(new Blob([line], { type: "text/javascript" }));
  blobs.set(line, made);
  return made;
}

function trusted(url: string): string {
  const types = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;
  if (!types) return url;
  try {
    policy ??= types.createPolicy(POLICY, { createScriptURL: (url) => url });
  } catch {
    // The page does not list it, and perhaps needs it not: the worker's start tells.
    return url;
  }
  return policy.createScriptURL(url);
}
