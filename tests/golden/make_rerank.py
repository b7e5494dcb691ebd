"""Golden scores of a language model that ranks: python make_rerank.py FOLDER, where FOLDER holds qwen3-rerank.gguf
(`tiny-models encoders FOLDER`).

Of each document the ids of the prompt that the file has, by Hugging Face's tokenizers, and how much larger the logit of "yes"
is than that of "no" after it, by transformers' Qwen3ForCausalLM in float64 with the file's weights.
"""

import json
import sys
from pathlib import Path

import torch
from encoder_reference import Encoder
from gguf import GGUFReader
from hf_encoders import fill, qwen
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

QUERY = "What is the world?"
DOCUMENTS = ["Hello world, this is the answer.", "", "20 cats in the house\n\nand the dog", "Grüße aus dem Süden; 世界", "{query} {document}"]

# How Qwen2's tokenizer.json cuts words.
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CONTROL = 3


def tokenizer(fields):
    tokens = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    made = Tokenizer(models.BPE({text: id for id, text in enumerate(tokens)}, merges))
    made.normalizer = normalizers.NFC()
    words = pre_tokenizers.Split(Regex(WORDS), "isolated")
    made.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    made.decoder = decoders.ByteLevel()
    control = [text for text, kind in zip(tokens, fields["tokenizer.ggml.token_type"]) if kind == CONTROL]
    made.add_special_tokens([AddedToken(text, normalized=False) for text in control])
    return made


def main():
    path = Path(sys.argv[1]) / "qwen3-rerank.gguf"
    fields = {name: field.contents() for name, field in GGUFReader(path).fields.items()}
    words, prompt = tokenizer(fields), fields["tokenizer.chat_template.rerank"]
    torch.set_default_dtype(torch.float64)
    model = Encoder(path)
    net, names = qwen(model, writes=True)
    fill(net, names, model)
    assert net.lm_head.weight is net.model.embed_tokens.weight
    yes, no = (words.token_to_id(word) for word in ("yes", "no"))
    head, middle, tail = prompt.replace("{document}", "{query}").split("{query}")
    rows = []
    for document in DOCUMENTS:
        ids = words.encode(head + QUERY + middle + document + tail, add_special_tokens=False).ids
        with torch.no_grad():
            logits = net(torch.tensor([ids])).logits[0, -1]
        rows.append({"document": document, "ids": ids, "score": float(f"{logits[yes] - logits[no]:.8g}")})
        print(f"{document!r}: {len(ids)} tokens, {rows[-1]['score']}")
    out = {"query": QUERY, "rows": rows}
    Path(__file__).with_name("rerank.json").write_text(json.dumps(out, separators=(",", ":"), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
