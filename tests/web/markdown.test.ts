import { expect, test } from "vitest";
import { parse, type Block, type Inline } from "../../www/chat/markdown.js";
import { bytes, seconds, transfer } from "../../www/chat/format.js";

/** A compact picture of the tree. */
const spans = (children: Inline[]): string =>
  children
    .map((span) => {
      if (span.kind === "text") return span.text;
      if (span.kind === "br") return "⏎";
      if (span.kind === "code") return `code(${span.text})`;
      if (span.kind === "link") return `link(${spans(span.children)}→${span.href})`;
      return `${span.kind}(${spans(span.children)})`;
    })
    .join("");
const block = (it: Block): string => {
  if (it.kind === "p") return spans(it.children);
  if (it.kind === "heading") return `h${it.level}(${spans(it.children)})`;
  if (it.kind === "code") return `pre:${it.language}(${it.text})`;
  if (it.kind === "quote") return `quote(${picture(it.blocks)})`;
  if (it.kind === "list") return `${it.ordered ? `ol${it.start}` : "ul"}(${it.items.map(picture).join(" | ")})`;
  return "rule";
};
const picture = (blocks: Block[]): string => blocks.map(block).join(" ¶ ");
const md = (text: string) => picture(parse(text));

test.each([
  ["one\ntwo\n\nthree", "one⏎two ¶ three"],
  ["# Title #\ntext", "h1(Title) ¶ text"],
  ["**bold** and *em*, __b__ _e_ ~~gone~~", "strong(bold) and em(em), strong(b) em(e) del(gone)"],
  ["snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"],
  ["`a*b*` and ``x`y``", "code(a*b*) and code(x`y)"],
  ["\\*not em\\*", "*not em*"],
  ["- a\n- b\n  - c\n- d", "ul(a | b ¶ ul(c) | d)"],
  ["3. x\n4. y\n\nafter", "ol3(x | y) ¶ after"],
  ["1. a\n\n2. b", "ol1(a | b)"],
  ["> said\n> so\n\nme", "quote(said⏎so) ¶ me"],
  ["```js\nlet a = `<b>`;\n```\nend", "pre:js(let a = `<b>`;) ¶ end"],
  ["text\n```\nstill open", "text ¶ pre:(still open)"],
  ["a\n\n---\n\nb", "a ¶ rule ¶ b"],
  ["[ok](https://example.org/a_b)", "link(ok→https://example.org/a_b)"],
  ["**open", "**open"],
])("%j", (text, expected) => expect(md(text)).toBe(expected));

test.each([
  "[x](javascript:alert(1))",
  "[x](data:text/html,hi)",
  "[x](//evil.example)",
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
])("%j stays text", (text) => expect(md(text)).toBe(text));

test("hostile nesting and length are read to their end", () => {
  for (const text of [
    `${"> ".repeat(5000)}x`,
    "- ".repeat(3000),
    "*".repeat(20_000),
    "`".repeat(20_000),
    "[".repeat(20_000),
    "**a".repeat(4000),
    "1. ".repeat(3000),
  ])
    expect(() => parse(text)).not.toThrow();
});

test("numbers read well", () => {
  expect(bytes(98_362_432)).toBe("98 MB");
  expect(bytes(1_234_567)).toBe("1.2 MB");
  expect(bytes(4_700_000_000)).toBe("4.70 GB");
  expect(seconds(240)).toBe("240 ms");
  expect(seconds(2400)).toBe("2.4 s");
  expect(seconds(125_000)).toBe("2 min 5 s");
  expect(transfer(50e6, 100e6, 2000)).toBe("50 MB of 100 MB · 25 MB/s · 2.0 s left");
  expect(transfer(50e6, undefined, 2000)).toBe("50 MB · 25 MB/s");
});
