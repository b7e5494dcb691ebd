"""Golden tokens of encoders by Hugging Face's library: python make_encoder_tokens.py NAME=VOCAB.gguf ... writes encoder_NAME.json."""

import json
import sys
from pathlib import Path

from hf_tokenizer import read_gguf
from make_tokens import PLAIN

# cspell:ignore stanbul strasse stra unaffable
TEXTS = [
    *PLAIN, "Hello, WORLD! unaffable caf\u00e9s", "na\u00efve \u00c9clair \u00dcber STRASSE Stra\u00dfe \u0130stanbul \u01c5", "a" * 100, "a" * 101, "x" + "\u0301" * 120,
    "hello" + "," * 40 + "world", "\u4eba\u5de5\u667a\u80fd\u6b63\u5728\u6539\u53d8\u4e16\u754chello\u4e16\u754c", "\ud55c\uad6d\uc5b4 \uac00\uac01 \u1100\u1161\u11a8", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e",
    "a\u0000b\ufffdc\u0001d\u007fe\u200bf\u00adg\ufeffh", "\u2122 \ufb01sh \u00bd \uff21\uff22\uff41\u3000x \uff76\uff9e\uff76\u2026 e\u0301 a\u0300 A\u030a\u212b", "\U0001f642\U0001f600\U0001f469\u200d\U0001f4bb", "[unused0] ## ##ing #",
    "hello   world\t\n x", "\u2581hello \u2581\u2581world", "e\u0323\u0301 \u1e69 q\u0307\u0323", "\u0939\u094d don't we'll", "\ue000 \U000e0041 \u2028x\u2029y\u0085z",
]
SPECIAL = ["[MASK] is the world [SEP]", "hello [MASK].", "[CLS]", "the<mask> fox", "<mask>", "hello <mask> world", "<unk> [UNK] <pad>", "[mask]"]
PAIRS = [("hello world", "the quick brown fox"), ("the fox", ""), ("", "the fox"), ("hello " * 12, "world"), ("fox", "brown " * 12), ("hello " * 9, "world " * 8), ("a b c", "x y z")]
LIMITS = [512, 16, 15, 9, 8, 7, 5]


def cases(tokenizer):
    for special, texts in ((False, TEXTS), (True, SPECIAL)):
        for text in texts:
            encoding = tokenizer.encode(text)
            yield {"texts": [text], "limit": 4096, "special": special, "ids": encoding.ids, "types": encoding.type_ids,
                   "decoded": tokenizer.decode(encoding.ids), "decoded_special": tokenizer.decode(encoding.ids, skip_special_tokens=False)}
    for pair in PAIRS:
        for limit in LIMITS:
            tokenizer.enable_truncation(limit, strategy="longest_first")
            encoding = tokenizer.encode(*pair)
            yield {"texts": pair, "limit": limit, "special": False, "ids": encoding.ids, "types": encoding.type_ids}
    tokenizer.enable_truncation(6)
    yield {"texts": [TEXTS[5]], "limit": 6, "special": False, "ids": tokenizer.encode(TEXTS[5]).ids, "types": [0] * len(tokenizer.encode(TEXTS[5]).ids)}
    tokenizer.no_truncation()


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        name, vocab = argument.split("=", 1)
        lines = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases(read_gguf(vocab)))
        (Path(__file__).parent / f"encoder_{name}.json").write_text(f"[\n{lines}\n]\n")
