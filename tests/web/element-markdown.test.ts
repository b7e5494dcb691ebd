/** The chat element's Markdown: as it streams, and from a stranger. */
import { expect, test } from "vitest";
import { Blocks, blocksOf } from "../../www/pieces/element/markdown/blocks.js";
import { type Node, textOf } from "../../www/pieces/element/markdown/nodes.js";

const RICH = `# A title

Some *words*, **more of them**, ~~none~~, \`code\` and a [link](https://example.org/a_b) at https://example.org.
A second line with 5 < 6 &amp; "quotes" and snake_case_words.

1. first
2. second

   still second
   - inner
   - [x] done
   - [ ] not done
3. third
goes on

> quoted
> - list in it
lazy

| a | b |
|---|:-:|
| 1 | **2** |
| 3 | 4 |

\`\`\`js
const a = \`\${1}\`;

if (a < 2) { /* ** */ }
\`\`\`
right after the fence
~~~~ text
\`\`\`
~~~
~~~~
The price is $5 or $10, and $x^2$ is not, \\(y\\) neither:
$$
a = b

c
$$
---
Setext
======
* star
* star

- dash
\\[ z \\]
    code by its indent
![a picture](https://example.org/a.png)

\`\`\`py
never ended
`;

/** A text in pieces, as it is drawn. */
function streamed(text: string, cut: () => number): Node[] {
  const blocks = new Blocks();
  const nodes: Node[] = [];
  const steps = (ended: boolean) => {
    for (;;) {
      const { closed, more } = blocks.step(ended);
      nodes.push(...closed);
      if (!more) return;
    }
  };
  for (let at = 0; at < text.length; ) {
    const length = cut();
    blocks.add(text.slice(at, at + length));
    at += length;
    steps(false);
  }
  steps(true);
  return nodes;
}

/** Numbers that are the same in each run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

test("text that streams in looks as it does at once, whatever its pieces", () => {
  const whole = blocksOf(RICH);
  expect(textOf(whole)).toContain("never ended");
  expect(streamed(RICH, () => 1)).toEqual(whole);
  for (let seed = 1; seed <= 20; seed++) {
    const next = random(seed);
    expect(streamed(RICH, () => 1 + Math.floor(next() * 30))).toEqual(whole);
  }
  const lines = RICH.split("\n\n");
  for (let seed = 1; seed <= 10; seed++) {
    const next = random(seed);
    const mixed = lines.toSorted(() => next() - 0.5).join("\n\n");
    expect(streamed(mixed, () => 1 + Math.floor(next() * 12))).toEqual(blocksOf(mixed));
  }
});

test("a block without end is drawn in parts of bounded length", () => {
  const long = "word and *more* ".repeat(5000);
  const nodes = streamed(long, () => 4000);
  expect(nodes.length).toBeGreaterThan(3);
  expect(nodes).toEqual(blocksOf(long));
  const list = Array.from({ length: 3000 }, (_, i) => `${i + 1}. item ${i + 1}\n`).join("");
  expect(streamed(list, () => 3000)).toEqual(blocksOf(list));
  const code = `\`\`\`js\n${"a();\n".repeat(20_000)}\`\`\`\nend`;
  expect(streamed(code, () => 5000).map((node) => typeof node === "string" || node.tag)).toEqual(["code-block", "p"]);
});

test("tables whose heads are as long as a part come to an end", () => {
  const wide = `| ${"a".repeat(4100)} | b |\n|---|---|\n| ${"c".repeat(4500)} | d |\n`;
  expect(textOf(blocksOf(wide)).length).toBeLessThan(2 * wide.length);
  expect(textOf(blocksOf(`| a |\n|${"-".repeat(9000)}`)).length).toBeGreaterThan(0);
  expect(textOf(blocksOf(`| ${"a".repeat(20_000)} |\n|---|\n${"| b |\n".repeat(5000)}`)).length).toBeGreaterThan(0);
  const rows = `| a | b |\n|---|---|\n${"| c | d |\n".repeat(3000)}`;
  expect(blocksOf(rows).every((node) => typeof node !== "string")).toBe(true);
});

const HOSTILE = [
  "<script>alert(1)</script>",
  '<img src=x onerror="alert(1)">',
  "<svg/onload=alert(1)>\n\n<iframe srcdoc='x'></iframe>",
  "[a](javascript:alert(1)) [b](JaVaScRiPt:alert(1)) [c](data:text/html,x) [d](vbscript:x)",
  // cspell:disable-next-line
  "[e](java&#115;cript:alert(1)) [f](&#x6A;avascript:alert(1)) [g](  javascript:alert(1))",
  "<javascript:alert(1)> [h]: javascript:alert(1)\n\n[h]",
  "![i](javascript:alert(1)) ![j](https://example.org/pixel.png)",
  '[k](https://example.org "onmouseover=alert(1)")',
  "```<script>\n</code><script>alert(1)</script>\n```",
  "| <b onclick=x>a</b> |\n|---|\n| <img src=x> |",
];

test("what a model writes is never markup of the page", () => {
  const tags = new Set([
    "p",
    "a",
    "em",
    "strong",
    "code",
    "code-block",
    "div",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
  ]);
  const visit = (node: Node): void => {
    if (typeof node === "string") return;
    expect(tags).toContain(node.tag);
    for (const [name, value] of Object.entries(node.attrs ?? {})) {
      expect(["href", "target", "rel", "class", "tabindex", "language"]).toContain(name);
      if (name === "href") expect(value).toMatch(/^https:\/\/example\.org/);
    }
    node.children.forEach(visit);
  };
  for (const text of HOSTILE) {
    const nodes = blocksOf(text);
    nodes.forEach(visit);
    expect(textOf(nodes).length).toBeGreaterThan(0);
  }
  expect(textOf(blocksOf(HOSTILE[0]!))).toBe(HOSTILE[0]);
  expect(textOf(blocksOf(HOSTILE[1]!))).toBe(HOSTILE[1]);
});

test("nesting without end is text", () => {
  for (const text of [">".repeat(3000), `${"- ".repeat(1000)}x`, "*".repeat(3000), "[".repeat(3000), "$".repeat(3000)])
    expect(blocksOf(text).length).toBeGreaterThan(0);
});
