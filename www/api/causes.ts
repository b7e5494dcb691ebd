/** Why there are no workers, or why one did not start. */
import { SottoError } from "../wire/errors.js";

/** Throws where there are no workers. */
export function requireWorkers(): void {
  if (typeof Worker !== "undefined") return;
  if ("ServiceWorkerGlobalScope" in globalThis)
    throw new SottoError(
      "service_worker",
      "A service worker cannot start the worker that a model lives in; load it in a page or an offscreen document.",
    );
  throw new SottoError("not_started", "There are no web workers here; load models in a browser, not on a server.");
}

/** Why a worker's script did not run, where that can be found out: browsers do not tell. */
export async function whyNotStarted(url: string | undefined): Promise<SottoError | undefined> {
  if (globalThis.navigator?.onLine === false)
    return new SottoError(
      "offline",
      "The worker did not start: the browser is offline, and worker.js is not kept here.",
    );
  // Not bundled, it lies beside this script.
  const script =
    url ?? (/\/index\.js(\?|$)/.test(import.meta.url) && import.meta.url.replace(/index\.js.*$/, "worker.js"));
  if (!script) return undefined;
  try {
    const { ok, status, headers, body } = await fetch(script, { signal: AbortSignal.timeout(LOOK_MS) });
    void body?.cancel();
    if (!ok)
      return new SottoError(
        "not_started",
        `The worker did not start: there is no ${script} (HTTP ${status}); serve it there or pass workerUrl.`,
      );
    // Another origin's headers are not shown, and its script is imported by one of the page's own.
    const ours = new URL(script).origin === globalThis.location?.origin;
    if (ours && globalThis.crossOriginIsolated && !headers.has("cross-origin-embedder-policy"))
      return new SottoError(
        "blocked",
        `The worker did not start: the page is cross-origin isolated, and ${script} is not served with Cross-Origin-Embedder-Policy: require-corp.`,
      );
  } catch {
    // Then nothing is known.
  }
  return undefined;
}

const LOOK_MS = 5000;
