// Links of a built site: every page, file and heading that a page of it names has to be there.
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const text = (value) => value.replaceAll("&amp;", "&").replaceAll("&#39;", "'").replaceAll("&quot;", '"');
const all = (html, pattern) => Array.from(html.matchAll(pattern), ([, value]) => text(value));

/** The complaints, one a line; `base` is the address of `folder`. Other sites are not asked. */
export function deadSiteLinks(folder, base) {
  const files = readdirSync(folder, { recursive: true }).filter((file) => file.endsWith(".html"));
  const pages = new Map(
    files.map((file) => {
      const html = readFileSync(join(folder, file), "utf8");
      return [file, { links: all(html, /\s(?:href|src)="([^"]*)"/g), ids: new Set(all(html, /\sid="([^"]*)"/g)) }];
    }),
  );
  const complaints = [];
  for (const [file, { links }] of pages) {
    for (const link of new Set(links)) {
      const url = new URL(link, `http://site${base}${file}`);
      if (url.host !== "site") continue;
      const wrong = wrongLink(url, folder, base, pages);
      if (wrong) complaints.push(`${file}: ${link}: ${wrong}`);
    }
  }
  return complaints;
}

function wrongLink({ pathname, hash }, folder, base, pages) {
  if (!pathname.startsWith(base)) return "it leads out of the site";
  const path = decodeURIComponent(pathname.slice(base.length));
  const file = path === "" || path.endsWith("/") ? `${path}index.html` : path;
  const there = join(folder, file);
  if (!existsSync(there) || !statSync(there).isFile()) return `there is no ${file}`;
  const id = decodeURIComponent(hash.slice(1));
  if (id !== "" && !pages.get(file)?.ids.has(id)) return `${file} has no #${id}`;
}
