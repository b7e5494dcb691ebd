/** How it looks. Every colour, radius and font is a variable of the page's (docs/ELEMENT.md); nothing is inline. */
const CSS_TEXT = `
:host {
  display: block;
  contain: layout;
  --page: var(--sotto-page, light-dark(#ffffff, #17181a));
  --surface: var(--sotto-surface, light-dark(#f5f5f3, #222326));
  --raised: var(--sotto-raised, light-dark(#ebebe8, #2e3034));
  --line: var(--sotto-line, light-dark(#e0e0dc, #37393e));
  --text: var(--sotto-text, light-dark(#1b1c1e, #ececee));
  --muted: var(--sotto-muted, light-dark(#60636a, #a3a6ad));
  --accent: var(--sotto-accent, light-dark(#0b6b5e, #5fcab8));
  --on-accent: var(--sotto-on-accent, light-dark(#ffffff, #06231f));
  --user: var(--sotto-user, light-dark(#e7f1ee, #233b37));
  --on-user: var(--sotto-on-user, var(--text));
  --bad: var(--sotto-bad, light-dark(#a3271c, #ff9c8e));
  --bad-page: var(--sotto-bad-page, light-dark(#fdefec, #3a1f1a));
  --radius: var(--sotto-radius, 1rem);
  --radius-small: var(--sotto-radius-small, 0.6rem);
  --font: var(--sotto-font, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif);
  --mono: var(--sotto-font-mono, ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace);
  --size: var(--sotto-font-size, 0.9375rem);
  --column: var(--sotto-width, 46rem);
  --shadow: var(--sotto-shadow, 0 1rem 3rem rgb(0 0 0 / 0.18), 0 0 0 1px var(--line));
  --keyword: var(--sotto-code-keyword, light-dark(#8a2a8f, #d9a0e8));
  --string: var(--sotto-code-string, light-dark(#1c6b32, #9fd8a0));
  --type: var(--sotto-code-type, light-dark(#8a4a00, #f0bd83));
  --title: var(--sotto-code-title, light-dark(#1f4fb0, #8fb8f8));
  --comment: var(--sotto-code-comment, light-dark(#63676e, #9b9fa7));
  font: var(--size)/1.6 var(--font);
  color: var(--text);
}
:host([hidden]), :host(:disabled) :is(.chips, .foot button, .panel button) { display: none; }
:host(:not([mode="launcher"])) { block-size: 32rem; min-block-size: 16rem; }
:host([mode="launcher"]) { display: contents; }
:host([theme="light"]) { color-scheme: light; }
:host([theme="dark"]) { color-scheme: dark; }
:host([theme="auto"]) { color-scheme: light dark; }
*, *::before, *::after { box-sizing: border-box; }
[hidden] { display: none !important; }
h2, h3, p { margin: 0; }
.unseen { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

button, textarea { font: inherit; color: inherit; }
button { border: 1px solid var(--line); border-radius: var(--radius-small); background: var(--page); padding: 0.4rem 0.9rem; min-block-size: 2.25rem; cursor: pointer; transition: background-color 0.12s; }
button:hover { background: var(--raised); }
button:disabled { cursor: default; }
button.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600; }
button.primary:hover { background: color-mix(in oklab, var(--accent) 88%, var(--text)); }
button.plain { border: 0; background: none; padding: 0 0.3rem; min-block-size: 1.75rem; text-decoration: underline; }
button.icon { display: inline-grid; place-items: center; inline-size: 2.25rem; block-size: 2.25rem; flex: none; padding: 0; border: 0; background: none; color: var(--muted); }
button.icon:hover { background: var(--raised); color: var(--text); }
svg { inline-size: 1.2rem; block-size: 1.2rem; fill: none; stroke: currentColor; stroke-width: 1.7; stroke-linecap: round; stroke-linejoin: round; flex: none; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.scroll:focus-visible { outline-offset: -2px; }

.frame { position: relative; display: flex; flex-direction: column; inline-size: 100%; block-size: 100%; max-inline-size: none; max-block-size: none; margin: 0; padding: 0; border: 1px solid var(--line); border-radius: var(--radius); background: var(--page); color: var(--text); font: var(--size)/1.6 var(--font); overflow: hidden; text-align: start; }
dialog.frame { position: fixed; inset: auto; inset-block-end: 6rem; inset-inline-end: 1.5rem; z-index: 2147483000; inline-size: min(26rem, 100vw - 3rem); block-size: min(42rem, 100dvh - 8rem); border: 0; box-shadow: var(--shadow); }
dialog.frame:not([open]) { display: none; }
dialog.frame[open] { animation: rise 0.18s ease-out; }
@keyframes rise { from { opacity: 0; translate: 0 0.75rem; } }
dialog.frame::backdrop { background: none; }
.launcher { position: fixed; inset-block-end: 1.5rem; inset-inline-end: 1.5rem; z-index: 2147483000; display: grid; place-items: center; inline-size: 3.5rem; block-size: 3.5rem; padding: 0; border: 0; border-radius: 50%; background: var(--accent); color: var(--on-accent); box-shadow: 0 0.4rem 1.2rem rgb(0 0 0 / 0.25); }
.launcher:hover { background: color-mix(in oklab, var(--accent) 88%, var(--text)); }
.launcher svg, .launcher ::slotted(*) { inline-size: 1.6rem; block-size: 1.6rem; }
@media (max-width: 30rem), (max-height: 30rem) {
  dialog.frame { inset: 0; inline-size: 100vw; block-size: 100dvh; border-radius: 0; }
}

.header { min-block-size: 3.35rem; display: flex; align-items: center; gap: 0.35rem; padding-block: 0.5rem; padding-inline: 1rem 0.5rem; border-block-end: 1px solid var(--line); flex: none; }
.header h2 { font-size: 1rem; font-weight: 650; line-height: 1.4; min-inline-size: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; flex: 1; }
.menu { position: relative; }
.menu summary { display: grid; place-items: center; inline-size: 2.25rem; block-size: 2.25rem; border-radius: var(--radius-small); color: var(--muted); cursor: pointer; list-style: none; }
.menu summary::-webkit-details-marker { display: none; }
.menu summary:hover { background: var(--raised); color: var(--text); }
.menu summary svg { stroke-width: 3; }
.menu > div { position: absolute; inset-block-start: calc(100% + 0.25rem); inset-inline-end: 0; z-index: 2; display: flex; flex-direction: column; padding: 0.3rem; border-radius: var(--radius-small); background: var(--page); box-shadow: var(--shadow); }
.menu button { border: 0; background: none; text-align: start; white-space: nowrap; border-radius: calc(var(--radius-small) - 0.2rem); }
.menu button:hover { background: var(--raised); }

.messages { position: relative; flex: 1; min-block-size: 0; display: flex; }
.scroll { flex: 1; overflow-y: auto; overscroll-behavior: contain; padding: 1.25rem 1rem; scrollbar-width: thin; scrollbar-color: var(--line) transparent; }
.list { inline-size: 100%; max-inline-size: var(--column); margin-inline: auto; }
.list:empty { display: none; }
.latest { position: absolute; inset-block-end: 0.75rem; inset-inline: 0; margin-inline: auto; }
button.icon.latest { background: var(--page); border: 1px solid var(--line); border-radius: 50%; box-shadow: 0 0.2rem 0.8rem rgb(0 0 0 / 0.12); }
.empty { margin: auto; min-block-size: 100%; display: flex; flex-direction: column; align-items: center; justify-content: center; gap: 0.9rem; inline-size: 100%; max-inline-size: 34rem; text-align: center; }
.empty p.greeting { font-size: 1.35em; font-weight: 600; line-height: 1.35; }
.chips { display: flex; flex-wrap: wrap; justify-content: center; gap: 0.5rem; }
.chips button { border-radius: 1.2rem; font-size: 0.93em; text-align: start; }
.panel { display: flex; flex-direction: column; align-items: center; gap: 0.6rem; inline-size: 100%; max-inline-size: 24rem; padding: 1.25rem; border: 1px solid var(--line); border-radius: var(--radius); background: var(--surface); }
.bottom .panel { margin: 0 auto 0.5rem; }
.panel h3 { font-size: 1.02rem; font-weight: 650; overflow-wrap: anywhere; }
.panel p { color: var(--muted); font-size: 0.93em; line-height: 1.45; }
.panel .row { display: flex; gap: 0.5rem; }
.panel .state:empty { display: none; }
.panel .state { font-variant-numeric: tabular-nums; }
progress { inline-size: 100%; block-size: 0.4rem; appearance: none; border: 0; border-radius: 1rem; overflow: hidden; background: var(--raised); color: var(--accent); accent-color: var(--accent); }
progress::-webkit-progress-bar { background: var(--raised); }
progress::-webkit-progress-value { background: var(--accent); border-radius: 1rem; transition: inline-size 0.2s; }
progress::-moz-progress-bar { background: var(--accent); }
progress:indeterminate { background: linear-gradient(90deg, var(--raised) 30%, var(--accent) 50%, var(--raised) 70%) 0 0 / 300% 100%; animation: slide 1.4s linear infinite; }
progress:indeterminate::-webkit-progress-bar { background: none; }
progress:indeterminate::-moz-progress-bar { background: none; }
@keyframes slide { from { background-position: 100% 0; } to { background-position: -50% 0; } }

/* Blocks of one another: boxes that stretch are measured anew with each word. */
article { margin-block-end: 1rem; contain: layout style; }
article > * + * { margin-block-start: 0.35rem; }
article.user { display: flex; flex-direction: column; align-items: flex-end; }
article.user .body { background: var(--user); color: var(--on-user); border-radius: var(--radius); border-end-end-radius: 0.25rem; padding: 0.55rem 0.9rem; max-inline-size: min(85%, 34rem); white-space: pre-wrap; overflow-wrap: anywhere; }
article.forgotten .body { color: var(--muted); }
.body { overflow-wrap: break-word; min-inline-size: 0; }
.body > :first-child { margin-block-start: 0; }
.body > :last-child { margin-block-end: 0; }
.body p, .body ul, .body ol, .body blockquote, .body .table, .body .code, .body .math:where(div) { margin-block: 0 0.75rem; }
.body :is(h3, h4, h5, h6) { margin: 1.2rem 0 0.5rem; line-height: 1.35; font-weight: 650; font-size: 1.02em; }
.body h3 { font-size: 1.18em; }
.body h4 { font-size: 1.08em; }
.body ul, .body ol { padding-inline-start: 1.5rem; }
.body li { margin-block: 0.2rem; }
.body li > p { margin-block-end: 0.4rem; }
.body li > :is(ul, ol) { margin-block: 0.2rem; }
.body li::marker { color: var(--muted); }
.body li.task { list-style: none; margin-inline-start: -1.3rem; }
.body li.task input { margin: 0 0.3rem 0 0; vertical-align: -0.1em; accent-color: var(--accent); }
.body blockquote { margin-inline: 0; padding-inline-start: 0.9rem; border-inline-start: 3px solid var(--line); color: var(--muted); }
.body hr { border: 0; border-block-start: 1px solid var(--line); margin-block: 1.2rem; }
.body a { color: var(--accent); text-underline-offset: 0.15em; }
code, pre { font-family: var(--mono); font-size: 0.9em; tab-size: 4; }
pre code { font-size: inherit; }
.body :not(pre) > code { background: var(--surface); border: 1px solid var(--line); border-radius: 0.35rem; padding: 0.08em 0.3em; overflow-wrap: anywhere; }
.code { border: 1px solid var(--line); border-radius: var(--radius-small); background: var(--surface); overflow: hidden; }
.code .bar { display: flex; align-items: center; justify-content: space-between; padding: 0.1rem 0.25rem 0.1rem 0.8rem; border-block-end: 1px solid var(--line); font-size: 0.8em; color: var(--muted); direction: ltr; }
.code .bar button { inline-size: 2rem; block-size: 2rem; min-block-size: 2rem; }
.code pre, .call pre { margin: 0; padding: 0.75rem 0.85rem; overflow-x: auto; line-height: 1.5; scrollbar-width: thin; }
:is(.code pre, .table, .call pre):focus-visible { outline-offset: -2px; }
.code-keyword { color: var(--keyword); }
.code-string, .code-jsxliterals { color: var(--string); }
.code-class { color: var(--type); }
.code-property, .code-entity { color: var(--title); }
.code-comment { color: var(--comment); font-style: italic; }
/* What covers the shadows of the sides moves with the table: where there is more of it, they show. */
.table { overflow-x: auto; scrollbar-width: thin; background: linear-gradient(90deg, var(--page) 50%, transparent) 0 / 3rem local no-repeat, linear-gradient(270deg, var(--page) 50%, transparent) 100% / 3rem local no-repeat, linear-gradient(90deg, var(--line), transparent 0.6rem, transparent calc(100% - 0.6rem), var(--line)); }
table { border-collapse: collapse; font-size: 0.95em; }
/* Many columns are no narrower than on a small desk: the table scrolls. */
table:has(th:nth-child(4)) { inline-size: max-content; max-inline-size: max(100%, 32rem); }
th, td { border: 1px solid var(--line); padding: 0.35rem 0.65rem; text-align: start; vertical-align: top; }
th { background: var(--surface); font-weight: 600; }
.center { text-align: center; }
.right { text-align: right; }
.math code { border: 0 !important; background: none !important; font-style: italic; }
div.math { overflow: auto; max-block-size: 40rem; text-align: center; }

.thoughts, .call { font-size: 0.93em; color: var(--muted); }
.thoughts summary, .call summary { cursor: pointer; inline-size: fit-content; border-radius: 0.3rem; }
.call summary { display: flex; align-items: center; gap: 0.4rem; list-style: none; }
.call summary::-webkit-details-marker { display: none; }
.call summary svg { inline-size: 1rem; block-size: 1rem; }
.thoughts p { margin: 0.35rem 0 0.5rem; padding-inline-start: 0.9rem; border-inline-start: 2px solid var(--line); white-space: pre-wrap; overflow-wrap: anywhere; }
.call pre { background: var(--surface); border-radius: var(--radius-small); padding: 0.5rem 0.7rem; margin-block: 0.2rem 0.4rem; max-block-size: 12rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.waiting { display: flex; gap: 0.3rem; padding-block: 0.5rem; }
.waiting i { inline-size: 0.45rem; block-size: 0.45rem; border-radius: 50%; background: var(--muted); animation: wait 1.2s infinite ease-in-out; }
.waiting i:nth-child(2) { animation-delay: 0.15s; }
.waiting i:nth-child(3) { animation-delay: 0.3s; }
@keyframes wait { 0%, 60%, 100% { opacity: 0.25; } 30% { opacity: 1; } }
.foot { display: flex; flex-wrap: wrap; align-items: center; gap: 0.1rem; min-block-size: 2rem; }
.foot button.icon { inline-size: 2rem; block-size: 2rem; min-block-size: 2rem; }
.foot button svg { inline-size: 1.05rem; block-size: 1.05rem; }
article.user .foot { margin-block: 0.1rem -1rem; }
article:not(.user) .foot { margin-inline-start: -0.45rem; }
article:not(.user, .last) .foot { margin-block-end: -0.75rem; }
.foot .note { margin-inline-start: 0.45rem; flex-basis: 100%; }
.foot [aria-pressed="true"] { color: var(--accent); background: var(--surface); }
article:not(.last) :is(.again, .go), .idle :is(.again, .go, .edit) { display: none; }
.note button { margin-inline-start: 0.4rem; }
@media (hover: hover) {
  article:not(.last) .foot button { opacity: 0; }
  article:is(:hover, :focus-within) .foot button { opacity: 1; }
}
.figures { font-size: 0.8em; color: var(--muted); font-variant-numeric: tabular-nums; }
.note { font-size: 0.9em; color: var(--muted); line-height: 1.45; overflow-wrap: anywhere; }
.composer .note { background: var(--raised); border-radius: var(--radius-small); padding: 0.45rem 0.7rem; }
.note.bad { color: var(--bad); background: var(--bad-page); border-radius: var(--radius-small); padding: 0.45rem 0.7rem; }
.panel .instead { display: grid; gap: 0.3rem; justify-items: center; font-size: 0.94em; color: var(--muted); overflow-wrap: anywhere; }
.panel .verdict.bad { color: var(--bad); }
.panel .note.bad { color: var(--bad); inline-size: 100%; }

.files { display: flex; flex-wrap: wrap; gap: 0.4rem; max-inline-size: 100%; }
.file { display: inline-flex; align-items: center; gap: 0.35rem; max-inline-size: 100%; padding: 0.2rem 0.6rem; border: 1px solid var(--line); border-radius: var(--radius-small); background: var(--surface); font-size: 0.87em; overflow-wrap: anywhere; }
.file svg { inline-size: 1rem; block-size: 1rem; }
.file button.icon { inline-size: 1.6rem; block-size: 1.6rem; min-block-size: 1.6rem; margin-inline-end: -0.35rem; }
.bottom { flex: none; padding: 0.4rem 1rem 0.6rem; max-block-size: 60%; overflow-y: auto; }
.composer { inline-size: 100%; max-inline-size: var(--column); margin: 0 auto; display: flex; flex-direction: column; gap: 0.4rem; }
.composer .row { display: flex; flex-wrap: wrap; align-items: flex-end; gap: 0.15rem; padding: 0.3rem; border: 1px solid var(--line); border-radius: calc(var(--radius) + 0.35rem); background: var(--page); transition: border-color 0.12s; }
.composer .row:focus-within { border-color: var(--accent); box-shadow: 0 0 0 1px var(--accent); }
/* Phones enlarge the page for letters that are smaller. */
textarea { flex: 1 1 6rem; font-size: max(1em, 1rem); min-inline-size: 0; border: 0; outline: 0; resize: none; background: none; padding: 0.4rem 0.45rem; line-height: 1.5; max-block-size: 12rem; min-block-size: 2.25rem; field-sizing: content; scrollbar-width: thin; }
textarea:focus-visible { outline: 0; }
textarea::placeholder { color: var(--muted); opacity: 1; }
.composer :is(.send, .stop) { border-radius: 50%; background: var(--accent); color: var(--on-accent); }
.composer :is(.send, .stop):hover { background: color-mix(in oklab, var(--accent) 88%, var(--text)); color: var(--on-accent); }
.composer .send { margin-inline-start: auto; }
.composer .send:disabled { background: var(--raised); color: var(--muted); }
.composer .stop svg { fill: currentColor; inline-size: 1.1rem; }
.editing { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 0.5rem; font-size: 0.9em; color: var(--muted); }
.way { margin-block-start: 0.45rem; text-align: center; font-size: 0.87em; line-height: 1.4; overflow-wrap: anywhere; }
.footer { margin-block-start: 0.45rem; text-align: center; font-size: 0.8em; line-height: 1.4; color: var(--muted); }

@media (prefers-reduced-motion: reduce) {
  *, *::before, *::after { animation: none !important; transition: none !important; }
}
@media (forced-colors: active) {
  .frame, dialog.frame, .launcher, .menu > div, article.user .body, .composer .row, button.primary, .composer :is(.send, .stop) { border: 1px solid; }
  .composer .row:focus-within { outline: 2px solid Highlight; }
  .foot [aria-pressed="true"] { border: 1px solid Highlight; }
  progress { border: 1px solid; forced-color-adjust: none; background: Canvas; }
  progress::-webkit-progress-value { background: Highlight; }
  .waiting i { background: CanvasText; }
}
`;

const sheets = new WeakMap<Document, CSSStyleSheet>();

/** One sheet for all elements of a page. */
export function styles(page: Document): CSSStyleSheet {
  let sheet = sheets.get(page);
  if (!sheet) {
    sheet = new (page.defaultView ?? globalThis).CSSStyleSheet();
    sheet.replaceSync(CSS_TEXT);
    sheets.set(page, sheet);
  }
  return sheet;
}
