"""How each family of pre-tokenizers cuts texts, by Hugging Face's library (Oniguruma): python make_pre.py writes pre.json.

The expressions are those of crate/text/tokenizer/pre.rs; what is compared is what they mean.
"""

import json
import random
import re
import sys
from pathlib import Path

from make_tokens import PLAIN
from tokenizers import Regex, pre_tokenizers

HERE = Path(__file__).parent
# cspell:ignore stanbul imgimgabz
TEXTS = [
    "I'm sure they'LL say  it's we've DONE; O'Neil's 3rd 'quoted' don't.\r\n\r\n\t\tx = a_b[12345678] + 3.14e-10; // ok\n",
    " leading,  double,   triple \n \n\n  mixed \t\u00a0\u3000 end   ", "123 1234 1234567 12a 1234b 1_000 \u0661\u0662\u0663\u0664 \u00bd\u00b2\u2167 \u00bd x1234.5678",
    "camelCaseHTTPServer \u01c5ivo na\u00efve cafe\u0301 \u00dcBER \u0130stanbul \u0939\u093f\u0928\u094d\u0926\u0940 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "\u4eba\u5de5\u667a\u80fd2024\u5e74\uff0c\u3053\u3093\u306b\u3061\u306f\u30ab\u30bf\u30ab\u30ca\u3001\ud55c\uad6d\uc5b4 \u3131\u3105\u300aabc\u300b",
    "\U0001f469\u200d\U0001f4bb\U0001f1eb\U0001f1f7 \u2192\u221e\u00a9 \u00a1\u00bfQu\u00e9? $5 <b>&amp;</b> #!/bin/sh ... --- \u201cx\u201d\u2014y\u2026 ``` ~^|",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u03ba\u03cc\u03c3\u03bc\u03b5! \u0645\u0631\u062d\u0628\u0627\u060c \u05e9\u05dc\u05d5\u05dd \u2028\u0085\x0b\x0c\x1f\u200b\ufeff\u0000z", "<sentinel:12>IMGIMGABZ a    b\t\tc\n\n\n",
    "a b c d ef \ud55c \uad6d", " " * 40 + "x" + "\t" * 7 + " \u3000" * 9,
]


def constants(source):
    """The string constants of pre.rs, and its families' names with their expressions."""
    string = r'(?:r##"(?P<hashed>.*?)"##|r"(?P<raw>[^"]*)"|"(?P<plain>(?:[^"\\]|\\.)*)")'
    def value(match):
        if match["plain"] is None:
            return match["hashed"] if match["hashed"] is not None else match["raw"]
        return re.sub(r"\\u\{([0-9a-f]+)\}", lambda code: chr(int(code[1], 16)), match["plain"])
    known = {m["name"]: value(m) for m in re.finditer(rf"const (?P<name>[A-Z0-9_]+): &str =\s*{string};", source, re.S)}
    def patterns(text):
        for m in re.finditer(rf"{string}|(?P<name>[A-Z][A-Z0-9_]+)", text, re.S):
            yield known[m["name"]] if m["name"] else value(m)
    lists = {m[1]: list(patterns(m[2])) for m in re.finditer(r"const ([A-Z0-9_]+): &\[&str\] = &\[(.*?)\n\];", source, re.S)}
    rows = source[source.index("FAMILIES"):source.index("/// The family that")]
    for row in re.split(r"\n    (?=family\(|whole_words\(|Pre \{)", rows)[1:]:
        names, rest = re.search(r"&\[(.*?)\],(.*)", row, re.S).groups()
        listed = next((lists[name] for name in lists if name in rest), None)
        yield re.search(r'"([^"]*)"', names)[1], listed or list(patterns(rest[:rest.rindex("]")]))


def cut(patterns, text):
    # Oniguruma takes \u3000 without braces.
    fixed = [re.sub(r"\\u\{([0-9a-f]+)\}", lambda code: chr(int(code[1], 16)), pattern) for pattern in patterns]
    split = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in fixed])
    return [word for word, _ in split.pre_tokenize_str(text)]


if __name__ == "__main__":
    rows = list(constants((HERE / "../../crate/text/tokenizer/pre.rs").read_text()))
    texts = TEXTS
    if len(sys.argv) > 1:  # Many texts, into another file, for a proof by hand.
        rng = random.Random(5)
        parts = [*PLAIN, *" \t\n\r'.1a\u00e9Z\u4e00\u0301", "  ", "'s", "12", "\r\n"]
        texts = TEXTS + PLAIN + ["".join(rng.choice(parts) for _ in range(rng.randint(1, 25))) for _ in range(int(sys.argv[1]))]
    cuts = [{"name": name, "lengths": [[len(word.encode()) for word in cut(patterns, text)] for text in texts]} for name, patterns in rows]
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in cuts)
    out = HERE / "pre.json" if len(sys.argv) < 2 else Path(sys.argv[2])
    out.write_text(f'{{"texts":{json.dumps(texts)},\n"families":[\n{lines}\n]}}\n')
