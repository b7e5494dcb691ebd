"""Hugging Face's tokenizers of encoders and GGUF vocabularies, one made of the other.

python hf_tokenizer.py tokenizer.json OUT.gguf   writes a vocabulary as llama.cpp's converter does
"""

import base64
import json
import sys
from pathlib import Path

import gguf
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

SPACE = "\u2581"
NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4


def write_gguf(source, out, keys=True):
    """A vocabulary of a tokenizer.json; without `keys` as older converters wrote it, which did not say how text is normalized."""
    data = json.loads(Path(source).read_text())
    tokenizer = Tokenizer.from_file(str(source))
    added = {token["id"]: token for token in data["added_tokens"]}
    texts = {id: text for text, id in tokenizer.get_vocab().items()}
    tokens = [texts.get(id, f"[PAD{id}]") for id in range(max(texts) + 1)]
    kinds = [CONTROL if added.get(id, {}).get("special") else USER_DEFINED if id in added else NORMAL for id in range(len(tokens))]
    writer = gguf.GGUFWriter(out, "bert")
    if data["model"]["type"] == "WordPiece":
        start = lambda text: text[2:] if text.startswith("##") else SPACE + text
        tokens = [text if kind == CONTROL else start(text) for text, kind in zip(tokens, kinds)]
        writer.add_tokenizer_model("bert")
        writer.add_token_type_count(2)
        if keys:
            writer.add_bool("tokenizer.ggml.normalizer.lowercase", data["normalizer"]["lowercase"])
            if data["normalizer"]["strip_accents"] is not None:
                writer.add_bool("tokenizer.ggml.normalizer.strip_accents", data["normalizer"]["strip_accents"])
    else:
        writer.add_tokenizer_model("t5")
        scores = {text: score for text, score in data["model"]["vocab"]}
        writer.add_token_scores([scores.get(text, -10000.0) for text in tokens])
        kinds[data["model"]["unk_id"]] = UNKNOWN
        parts = [data["normalizer"], *(data["normalizer"] or {}).get("normalizers", [])]
        for part in parts:
            if part and part["type"] == "Precompiled":
                writer.add_precompiled_charsmap(base64.b64decode(part["precompiled_charsmap"]))
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    for role, text in (("unknown", "[UNK]"), ("seperator", "[SEP]"), ("padding", "[PAD]"), ("cls", "[CLS]"), ("mask", "[MASK]"),
                       ("bos", "<s>"), ("eos", "</s>"), ("unknown", "<unk>"), ("padding", "<pad>"), ("mask", "<mask>")):
        if (id := tokenizer.token_to_id(text)) is not None:
            writer.add_uint32(f"tokenizer.ggml.{role}_token_id", id)
            if role in ("bos", "eos"):
                writer.add_bool(f"tokenizer.ggml.add_{role}_token", True)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def read_gguf(path):
    """The tokenizer that Hugging Face's library has for a WordPiece or Unigram vocabulary."""
    fields = {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items()}
    get = lambda key, default=None: fields.get(f"tokenizer.ggml.{key}", default)
    tokens, kinds = get("tokens"), get("token_type")
    if get("model") == "bert":
        if any(text.startswith(SPACE) for text in tokens):
            def text_of(text, kind):
                if kind == CONTROL or (text.startswith("[") and text.endswith("]")):
                    return text
                return text[1:] if text.startswith(SPACE) else "##" + text
            tokens = [text_of(text, kind) for text, kind in zip(tokens, kinds)]
        cased = any(char in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for text in tokens if text[0] != "[" for char in text)
        cls, sep = "[CLS]", "[SEP]"
        tokenizer = Tokenizer(models.WordPiece({text: id for id, text in enumerate(tokens)}, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=get("normalizer.lowercase", not cased))
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece()
        pair = f"{cls} $A {sep} $B:1 {sep}:1"
    else:
        used = [id for id in range(len(tokens)) if kinds[id] != 5]
        vocab = [(tokens[id], get("scores")[id]) for id in range(max(used) + 1)]
        cls, sep = tokens[get("bos_token_id", get("eos_token_id"))], tokens[get("eos_token_id")]
        tokenizer = Tokenizer(models.Unigram(vocab, unk_id=get("unknown_token_id"), byte_fallback=False))
        charsmap = get("precompiled_charsmap")
        if charsmap:
            tokenizer.normalizer = normalizers.Sequence([
                normalizers.Precompiled(bytes(byte & 255 for byte in charsmap)), normalizers.Replace(Regex(" {2,}"), " ")])
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
        tokenizer.decoder = decoders.Metaspace()
        pair = f"{cls} $A {sep} {sep} $B {sep}"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}", pair=pair, special_tokens=[(text, tokens.index(text)) for text in dict.fromkeys([cls, sep])])
    tokenizer.add_special_tokens([AddedToken(tokens[id], normalized=False) for id, kind in enumerate(kinds) if kind in (UNKNOWN, CONTROL)])
    return tokenizer


if __name__ == "__main__":
    write_gguf(sys.argv[1], sys.argv[2])
