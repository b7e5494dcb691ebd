/** Why a wasm file did not start: browsers tell it in words of their own. */
import { SottoError, said } from "../wire/errors.js";

/** The error for `file`, the place of which `option` says. */
export function whyNoWasm(cause: unknown, what: string, file: string, option: string): SottoError {
  const words = said(cause);
  const failed = (code: "offline" | "blocked" | "not_started", why: string) =>
    new SottoError(code, `${what} did not start${why}.`, { cause });
  if (/Content Security Policy|unsafe-eval/i.test(words))
    return failed("blocked", ": the page's policy refuses it by script-src; add 'wasm-unsafe-eval' to it");
  const unreached = cause instanceof TypeError;
  if (unreached && globalThis.navigator?.onLine === false)
    return failed("offline", `: the browser is offline, and ${file} is not kept here; connect and load again`);
  const place = `serve ${file} beside worker.js or pass ${option}`;
  // The words of the bindings.
  const [, status, url] = /fetch Wasm: (\d+) .*fetching '(.*)'/.exec(words) ?? [];
  if (status) return failed("not_started", `: there is no ${url} (HTTP ${status}); ${place}`);
  // A server's page for any address it does not know begins with 3c, "<".
  if (/found 3c|magic/i.test(words)) return failed("not_started", `: what is at its address is no wasm; ${place}`);
  const others = unreached
    ? ", and let the page's policy (connect-src) and another origin's server (CORS) allow it"
    : "";
  return failed("not_started", ` (${words}); ${place}${others}`);
}
