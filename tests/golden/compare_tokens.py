"""Compares `sotto tokenize` with Hugging Face's library on many texts: python compare_tokens.py SOTTO VOCAB.gguf [tokenizer.json]"""

import json
import random
import subprocess
import sys
import tempfile
import unicodedata

from hf_tokenizer import read_gguf
from make_tokens import PLAIN, SPECIAL
from tokenizers import Tokenizer

# cspell:ignore aeiouncgz aeiou
SCRIPTS = [
    (0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x530, 0x6FF), (0x700, 0x8FF), (0x900, 0xDFF),
    (0xE00, 0x10FF), (0x1100, 0x11FF), (0x1200, 0x137F), (0x1780, 0x17FF), (0x1AB0, 0x1CFF), (0x1D00, 0x1EFF), (0x1F00, 0x1FFF),
    (0x2000, 0x206F), (0x2070, 0x22FF), (0x2300, 0x2BFF), (0x2E80, 0x30FF), (0x3100, 0x33FF), (0x3400, 0x9FFF), (0xA000, 0xABFF),
    (0xAC00, 0xD7FF), (0xE000, 0xE0FF), (0xF900, 0xFB4F), (0xFB50, 0xFFFF), (0x10000, 0x10FFF), (0x1D100, 0x1D7FF),
    (0x1F000, 0x1FAFF), (0x20000, 0x2FA1F), (0xE0000, 0xE01EF), (0x0, 0x1F), (0x7F, 0x9F),
]


def words(random, vocabulary):
    """A word of the vocabulary, characters of one script, one with marks, a blank, a long run."""
    kind = random.random()
    if kind < 0.4:
        return random.choice(vocabulary).replace("##", "").replace("\u2581", "") + random.choice(["", " ", " ", " ", "-"])
    if kind < 0.8:
        first, last = random.choice(SCRIPTS)
        text = "".join(chr(random.randint(first, last)) for _ in range(random.randint(1, 12)))
        return "".join(char for char in text if not 0xD800 <= ord(char) < 0xE000) + random.choice(["", " "])
    if kind < 0.87:
        text = "".join(random.choice("aeiouncgzAEIOU\u0438\u03b1") + chr(random.randint(0x300, 0x36F)) for _ in range(4))
        return unicodedata.normalize(random.choice(["NFC", "NFD", "NFKC", "NFKD"]), text) + " "
    if kind < 0.97:
        return random.choice([" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u200b", "\u2028", "\u0085", "\ufeff", "\ufffd", "\0", "\u00ad"])
    return random.choice(["a", "!", "\u4e00", "\ud55c", "\u0e01", "\U0001f600", "\u0301"]) * random.choice([40, 99, 100, 101, 300])


def main(sotto, vocab, source=None):
    oracle = Tokenizer.from_file(source) if source else read_gguf(vocab)
    oracle.no_truncation()
    oracle.no_padding()
    rng = random.Random(7)
    vocabulary = sorted(oracle.get_vocab())
    # Every character by itself, and between two letters.
    texts = [text.replace("\0", "\0") for text in PLAIN]
    for start in list(range(0, 0x3100, 16)) + list(range(0xA000, 0x11000, 16)) + list(range(0x1D000, 0x20000, 16)):
        chars = [chr(code) for code in range(start, start + 16) if not 0xD800 <= code < 0xE000]
        texts.append(" ".join(f"{char} a{char}b" for char in chars))
    texts += ["".join(words(rng, vocabulary) for _ in range(rng.randint(1, 30))) for _ in range(20000)]
    for parse in (False, True):
        batch = [{"name": str(at), "text": text} for at, text in enumerate(texts + SPECIAL if parse else texts)]
        # Hugging Face always reads special tokens; so without them the texts must have none.
        specials = [str(token) for token in oracle.get_added_tokens_decoder().values() for token in [token.content]]
        batch = [item for item in batch if parse or not any(text in item["text"] for text in specials)]
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(batch, file)
            file.flush()
            flags = ["--special"] if parse else []
            out = subprocess.run([sotto, "tokenize", "--model", vocab, "--batch", file.name, "--json", *flags], check=True, capture_output=True)
        wrong = 0
        for item, got in zip(batch, json.loads(out.stdout), strict=True):
            want = oracle.encode(item["text"], add_special_tokens=parse)
            if want.ids != got["ids"]:
                wrong += 1
                if wrong <= 12:
                    at = next((i for i, (a, b) in enumerate(zip(want.ids, got["ids"])) if a != b), min(len(want.ids), len(got["ids"])))
                    print(repr(item["text"][:150]), "want", want.tokens[at:at + 6], "got", got["pieces"][at:at + 6], "before", want.tokens[max(0, at - 2):at])
        print(f"{vocab}, special tokens {parse}: {len(batch) - wrong} of {len(batch)} texts equal")


if __name__ == "__main__":
    main(*sys.argv[1:])
