"""What Hugging Face's BERT normalizer makes of each character: python make_letters.py writes crate/text/tokenizer/letters.txt.

Four lines of pairs, first and last of a range: what is removed, what is set apart (CJK), what is punctuation, what is a mark. Then
lines that begin with a text, and after a tab have the letters that become it.
"""

from pathlib import Path

from tokenizers import normalizers, pre_tokenizers

CHARS = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]


def pairs(chosen):
    ranges = []
    for at, char in enumerate(CHARS):
        if char in chosen:
            if ranges and ranges[-1][1] == at - 1:
                ranges[-1][1] = at
            else:
                ranges.append([at, at])
    return "".join(CHARS[first] + CHARS[last] for first, last in ranges)


def normalizer(**flags):
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**(off | flags)).normalize_str


if __name__ == "__main__":
    clean, apart, strip = normalizer(clean_text=True), normalizer(handle_chinese_chars=True), normalizer(strip_accents=True)
    words = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    removed = {char for char in CHARS if clean(char) == ""}
    alone = {char for char in CHARS if apart(char) != char}
    marks = {char for char in CHARS if strip(char) == ""}
    punctuation = {char for char in CHARS if len(words(f"a{char}b")) == 3}
    became = {}
    for char in CHARS:
        # Syllables of Hangul are computed.
        if char not in marks and not 0xAC00 <= ord(char) < 0xD7A4 and strip(char) != char:
            became.setdefault(strip(char), []).append(char)
    lines = [pairs(removed), pairs(alone), pairs(punctuation), pairs(marks), *(f"{text}\t{''.join(chars)}" for text, chars in sorted(became.items()))]
    assert not any("\n" in line for line in lines)
    Path(__file__).parents[2].joinpath("crate/text/tokenizer/letters.txt").write_text("\n".join(lines), newline="\n")
