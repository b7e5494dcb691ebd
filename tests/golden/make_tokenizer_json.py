"""Golden tokens of tokenizer.json files: python make_tokenizer_json.py [FOLDER] trains a small tokenizer of each kind that
models have, and writes tokenizer_json/NAME.json and what Hugging Face's library makes of texts by them, cases.json.

With a FOLDER of such files the ids of their own are written instead, to FOLDER/cases.json: see tests/native/tokenizer_json.rs.
"""

import json
import sys
from pathlib import Path

from make_encoder_tokens import PAIRS, SPECIAL, TEXTS
from make_pre import TEXTS as CUTS
from make_pre import constants
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = Path(__file__).parent
OUT = HERE / "tokenizer_json"
CORPUS = [text for texts in json.loads((HERE / "../../tools/eval/sentences.json").read_text()).values() for text in texts]
CORPUS += [path.read_text() for path in (HERE / "make_pre.py", HERE / "../../docs/GLOSSARY.md")]
PATTERNS = dict(constants((HERE / "../../crate/text/tokenizer/pre.rs").read_text()))
SIZE = 600
BLANK = "\u2581"
ALL = list(dict.fromkeys([*TEXTS, *CUTS, *SPECIAL, "x <|user|> y <mask> z", "\n\na\n\n\n b", "<|im_start|>user\nhi<|im_end|>"]))
FRAMED = [["Hello world"], [""], ["<mask> a [MASK]"]]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def around(begin, end="", typed=0, between=1):
    """Tokens before and behind a text, and between two, of which the second may have tokens of another type."""
    second = [f"$B:{typed}", f"{end}:{typed}"] if end else [f"{begin}:1", "$B:1"]
    single = " ".join(part for part in [begin, "$A", end] if part)
    pair = " ".join([begin, "$A", *([end] * between if end else []), *second])
    return lambda tokenizer: processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[(text, tokenizer.token_to_id(text)) for text in [begin, end] if text])


def of_bytes(special, cuts, normalizer=None, post=None, whole=False, prefix=False, use_regex=False):
    tokenizer = Tokenizer(models.BPE(ignore_merges=whole))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*cuts, pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=use_regex)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=SIZE, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    return trained(tokenizer, trainer, post)


def of_characters(special, normalizer, cut, decoder, post, added=()):
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, cut or pre_tokenizers.Metaspace()
    tokenizer.decoder = decoder
    trainer = trainers.BpeTrainer(vocab_size=SIZE + 256, special_tokens=[*special, *BYTES], limit_alphabet=150, show_progress=False)
    tokenizer = trained(tokenizer, trainer, post)
    tokenizer.pre_tokenizer = cut
    # Bytes are none that a text could name.
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = [token for token in data["added_tokens"] if token["content"] not in BYTES]
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.add_tokens(list(added))
    return tokenizer


def of_pieces(lowercase, strip):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip)
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return trained(tokenizer, trainers.WordPieceTrainer(vocab_size=SIZE, special_tokens=special, show_progress=False), around("[CLS]", "[SEP]", 1))


def of_scores(normalizer, cut):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder = normalizer, cut, decoders.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=SIZE, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer = trained(tokenizer, trainer, around("<s>", "</s>", 0, 2))
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    return tokenizer


def trained(tokenizer, trainer, post):
    tokenizer.train_from_iterator(CORPUS, trainer)
    if post:
        tokenizer.post_processor = post(tokenizer)
    return tokenizer


def replaced(pattern, text):
    return normalizers.Replace(pattern, text)


def roberta(tokenizer):
    sep, cls = (("</s>", tokenizer.token_to_id("</s>")), ("<s>", tokenizer.token_to_id("<s>")))
    return processors.RobertaProcessing(sep, cls, trim_offsets=True, add_prefix_space=False)


def all_kinds():
    charsmap = normalizers.Precompiled((HERE / "../tiny/charsmap.bin").read_bytes())
    marks = pre_tokenizers.Metaspace(BLANK, "always")
    llama = decoders.Sequence([decoders.Replace(BLANK, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    plain = decoders.Sequence([decoders.Replace(BLANK, " "), decoders.ByteFallback(), decoders.Fuse()])
    spm, bos = ["<unk>", "<s>", "</s>"], around("<s>")
    return {
        "llama3": of_bytes(["<|begin|>", "<|eot|>"], [split(PATTERNS["llama3"][0])], post=around("<|begin|>"), whole=True),
        "qwen2": of_bytes(["<|endoftext|>", "<|im_start|>", "<|im_end|>"], [split(PATTERNS["qwen2"][0])], normalizers.NFC()),
        "smollm": of_bytes(["<|endoftext|>"], [pre_tokenizers.Digits(True)], use_regex=True),
        "deepseek": of_bytes(["<bos>"], [split(pattern) for pattern in PATTERNS["deepseek-v3"]], normalizers.Sequence([]), around("<bos>")),
        "roberta": of_bytes(["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True)], [], post=roberta, use_regex=True),
        "prefixed": of_bytes(["<|endoftext|>"], [], prefix=True, use_regex=True),
        "llama2": of_characters(spm, normalizers.Sequence([normalizers.Prepend(BLANK), replaced(" ", BLANK)]), None, llama, bos,
                                [AddedToken("<|user|>", rstrip=True, special=True, normalized=False), AddedToken("<mask>", normalized=False)]),
        "mistral": of_characters(spm, None, pre_tokenizers.Metaspace(BLANK, "first", False), llama, bos),
        "split": of_characters(spm, None, marks, llama, bos),
        "gemma": of_characters(["<pad>", "<eos>", "<bos>", "<unk>"], replaced(" ", BLANK), pre_tokenizers.Split(" ", "merged_with_previous"),
                               plain, around("<bos>"), [AddedToken("\n\n", normalized=False)]),
        "bert": of_pieces(True, None),
        "bert-cased": of_pieces(False, False),
        "xlm-roberta": of_scores(normalizers.Sequence([charsmap, replaced(Regex(" {2,}"), " ")]), pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), marks])),
        "bge-m3": of_scores(normalizers.Sequence([charsmap, normalizers.Strip(False, True), replaced(Regex(" {2,}"), BLANK)]), marks),
    }


def found(tokenizer):
    """Ids of each text alone; what comes back where it is another text; ids and types of texts and pairs with what stands around."""
    plain, decoded, framed = [], {}, []
    for at, text in enumerate(ALL):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        plain.append(ids)
        back = tokenizer.decode(ids)
        if back != text:
            decoded[at] = back
    # Models that write read one text.
    ends = tokenizer.encode("").ids[1:]
    for texts in FRAMED + (PAIRS if ends else []):
        whole = tokenizer.encode(*texts)
        framed.append([texts, whole.ids, whole.type_ids])
    return {"plain": plain, "decoded": decoded, "framed": framed}


def main(folder):
    if folder is None:
        folder = OUT
        folder.mkdir(exist_ok=True)
        for name, tokenizer in all_kinds().items():
            (folder / f"{name}.json").write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":")) + "\n")
    rows = {}
    for path in sorted(Path(folder).glob("*.json")):
        if path.name != "cases.json":
            tokenizer = Tokenizer.from_file(str(path))
            tokenizer.no_padding()
            tokenizer.no_truncation()
            rows[path.stem] = found(tokenizer)
            print(path.stem, tokenizer.get_vocab_size(), len(rows[path.stem]["plain"]))
    compact = lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    lines = ",\n".join(f"{json.dumps(name)}:{compact(row)}" for name, row in rows.items())
    (Path(folder) / "cases.json").write_text(f'{{"texts":{compact(ALL)},\n"tokenizers":{{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
