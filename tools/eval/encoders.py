"""Real encoders against Hugging Face: python encoders.py convert FOLDER OUT.gguf [--pooling mean|cls|rank|words], then
python encoders.py compare FOLDER OUT.gguf [--backend cpu].

FOLDER holds a model as its package has it: model.safetensors or an int8 model.onnx, whose weights are taken out as floats,
tokenizer.json, and config.json if there is one. `compare` runs `sotto embed` or `sotto rerank` (release build, or
SOTTO_BINARY) on 200 sentences of ten languages and FlaxBertModel on the same weights and on the ids of the crate
`tokenizers`, and prints the lowest cosine, or the largest distance of scores, how many orders are equal, and how near to each
other documents were that changed places. With `words` it keeps the head that fills in masked words; `compare` then masks a word
of each sentence, and prints how many times both find the same five tokens, and the largest distance of probabilities from
BertForMaskedLM's.

Needs numpy, gguf, safetensors, onnx, tokenizers, transformers 4, flax; with `words` transformers 5 and torch instead.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[2] / "tests" / "golden"))
SENTENCES = json.loads(Path(__file__).with_name("sentences.json").read_text())

def texts():
    for language, sentences in SENTENCES.items():
        for i, text in enumerate(sentences):
            yield text
            yield text.upper()
            yield " ".join(sentences[: i + 1]) + f" ({language}, No. {i})"
            yield f"{text} {sentences[-1]} 1,234.5 @{language}"


def weights(folder):
    """By Hugging Face's names, float32."""
    if (folder / "model.safetensors").exists():
        from safetensors.numpy import load_file

        return {clean(name): array for name, array in load_file(folder / "model.safetensors").items()}
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(folder / "model.onnx").graph
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}

    def floats(name):
        """Of int8, by the scale and zero point of each column or of all."""
        stem = name.removesuffix("_quantized")
        scale, zero = held[stem + "_scale"], held[stem + "_zero_point"]
        return ((held[name].astype(np.float32) - zero.astype(np.float32)) * scale).astype(np.float32)

    found = {}
    for name in held:
        stem = name.removesuffix("_quantized")
        if name.endswith("_quantized") and not stem.startswith("onnx::"):
            # The pooler's and the classifier's are stored for Gemm.
            found[clean(stem)] = floats(name) if "embeddings" in stem else floats(name).T
        elif held[name].dtype == np.float32 and not name.endswith("_scale"):
            found[clean(name)] = held[name]
    for node in graph.node:
        if node.op_type == "MatMulInteger" and node.input[1].startswith("onnx::"):
            path = node.name.strip("/").removesuffix("/MatMul_quant").replace("/", ".")
            found[clean(path + ".weight")] = floats(node.input[1]).T
    return found


def clean(name):
    name = name.removeprefix("bert.").replace("LayerNorm.gamma", "LayerNorm.weight")
    return name.replace("LayerNorm.beta", "LayerNorm.bias")


NAMES = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
    "pooler.dense": "cls",
    "classifier": "cls.output",
}
# What fills in masked words; its last matrix is the embedding.
WORDS = {
    "cls.predictions.transform.dense": "cls",
    "cls.predictions.transform.LayerNorm": "cls.norm",
    "cls.predictions": "output",
}


def convert(folder, out, pooling, kind="f16"):
    """`kind`: of the matrices."""
    import gguf
    from gguf import quants

    w = weights(folder)
    config = json.loads((folder / "config.json").read_text()) if (folder / "config.json").exists() else {}
    layers = 1 + max(int(m[1]) for m in (re.match(r"encoder\.layer\.(\d+)\.", name) for name in w) if m)
    n_embd = w["embeddings.word_embeddings.weight"].shape[1]
    file = gguf.GGUFWriter(out, "bert")
    file.add_name(folder.name)
    file.add_context_length(len(w["embeddings.position_embeddings.weight"]))
    file.add_embedding_length(n_embd)
    file.add_feed_forward_length(len(w["encoder.layer.0.intermediate.dense.bias"]))
    file.add_block_count(layers)
    file.add_head_count(config.get("num_attention_heads", 12))
    file.add_layer_norm_eps(config.get("layer_norm_eps", 1e-12))
    file.add_causal_attention(False)
    file.add_uint32("bert.pooling_type", {"mean": 1, "cls": 2, "rank": 4, "words": 1}[pooling])
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocab = sorted(tokenizer["model"]["vocab"], key=tokenizer["model"]["vocab"].get)
    special = {token["content"] for token in tokenizer["added_tokens"]}
    # As GGUF's converters write WordPiece.
    words = [t if t in special else t[2:] if t.startswith("##") else "\u2581" + t for t in vocab]
    file.add_tokenizer_model("bert")
    file.add_token_list(words)
    file.add_token_types([3 if t in special else 1 for t in vocab])
    file.add_token_type_count(len(w["embeddings.token_type_embeddings.weight"]))
    for role, text in {"cls": "[CLS]", "seperator": "[SEP]", "padding": "[PAD]", "unknown": "[UNK]", "mask": "[MASK]"}.items():
        file.add_uint32(f"tokenizer.ggml.{role}_token_id", vocab.index(text))
    for name, array in w.items():
        layer = re.match(r"encoder\.layer\.(\d+)\.(.+)\.(weight|bias)$", name)
        prefix, stem, part = (f"blk.{layer[1]}.", layer[2], layer[3]) if layer else ("", *name.rsplit(".", 1))
        names = NAMES | (WORDS if pooling == "words" else {})
        if stem not in names or (stem == "pooler.dense" and pooling != "rank"):
            print(f"left out: {name}")
            continue
        is_matrix = array.ndim == 2 and names[stem] not in ("token_types", "position_embd")
        stored = gguf.GGMLQuantizationType[kind.upper() if is_matrix else "F32"]
        array = np.ascontiguousarray(array.astype(np.float32))
        file.add_tensor(f"{prefix}{names[stem]}.{part}", quants.quantize(array, stored), raw_dtype=stored)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


class HuggingFace:
    """FlaxBertModel with the weights that the GGUF file has."""

    def __init__(self, folder, gguf_path):
        from flax_bert import flax_bert
        from gguf import GGUFReader
        from tokenizers import Tokenizer

        reader = GGUFReader(gguf_path)
        key = {name: field.contents() for name, field in reader.fields.items() if name.startswith("bert.")}
        self.w = {t.name: np.array(t.data, np.float32).reshape(t.shape[::-1]) for t in reader.tensors}
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(512)
        self.bert = flax_bert(self.w, key["bert.attention.head_count"], key["bert.attention.layer_norm_epsilon"])
        self.pooling = key["bert.pooling_type"]

    def states(self, *text):
        read = self.tokenizer.encode(*text)
        # One length for all, so that it is compiled once.
        size = 64 * -(-len(read.ids) // 64)
        pad = [0] * (size - len(read.ids))
        mask = [1] * len(read.ids) + pad
        states = self.bert(read.ids + pad, read.type_ids + pad, mask)
        return states[: len(read.ids)].astype(np.float64)

    def embed(self, text):
        states = self.states(text)
        vector = states.mean(0) if self.pooling == 1 else states[0]
        return vector / np.linalg.norm(vector)

    def score(self, query, document):
        pooled = np.tanh(self.states(query, document)[0] @ self.w["cls.weight"].T + self.w["cls.bias"])
        return float((pooled @ self.w["cls.output.weight"].T + self.w["cls.output.bias"])[0])


def sotto(command, model, batch, backend):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(batch, file)
        file.flush()
        binary = os.environ.get("SOTTO_BINARY", "target/release/sotto")
        args = [binary, command, "--model", model, "--batch", file.name, "--backend", backend, "--json"]
        return json.loads(subprocess.run(args, check=True, capture_output=True, text=True).stdout)


def compare_words(folder, model, backend):
    """By Hugging Face's model with the weights that the GGUF file has."""
    from encoder_reference import Encoder
    from hf_encoders import hugging_face
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    reference = hugging_face(Encoder(model), lambda ids: ids.index(tokenizer.token_to_id("[MASK]")))
    batch = []
    for i, text in enumerate(texts()):
        words = text.split()
        words[i % len(words)] = "[MASK]"
        batch.append({"name": str(i), "text": " ".join(words)})
    same, worst = 0, 0.0
    for item, found in zip(batch, sotto("fill-mask", model, batch, backend)):
        read = tokenizer.encode(item["text"])
        logits = reference(read.ids, read.type_ids)["words"]
        p = np.exp(logits - logits.max())
        p /= p.sum()
        want = [tokenizer.id_to_token(i) for i in np.argsort(-p)[:5]]
        same += want == [token for token, _ in found["top"]]
        worst = max(worst, *(abs(p[tokenizer.token_to_id(token)] - share) for token, share in found["top"]))
    print(f"{len(batch)} texts: {same} times the same five tokens, probabilities differ by {worst:.2g} at most")


def compare(folder, model, backend):
    from gguf import GGUFReader

    if any(tensor.name == "output.bias" for tensor in GGUFReader(model).tensors):
        return compare_words(folder, model, backend)
    reference = HuggingFace(folder, model)
    if reference.pooling != 4:
        batch = [{"name": str(i), "text": text} for i, text in enumerate(texts())]
        cosines = []
        for item, found in zip(batch, sotto("embed", model, batch, backend)):
            cosine = float(np.dot(reference.embed(item["text"]), found["embedding"]))
            cosines.append(cosine)
            if cosine < 0.9999:
                print(f"{cosine:.6f} {item['text']}")
        return print(f"{len(cosines)} texts: cosines from {min(cosines):.7f}, mean {np.mean(cosines):.7f}")
    batch = []
    for language, sentences in SENTENCES.items():
        documents = [text for other in SENTENCES.values() for text in other[:2]]
        batch += [{"name": f"{language} {i}", "query": text, "documents": documents} for i, text in enumerate(sentences)]
    worst, orders, turned = 0.0, 0, 0.0
    for item, found in zip(batch, sotto("rerank", model, batch, backend)):
        want = np.array([reference.score(item["query"], document) for document in item["documents"]])
        got = np.array(found["scores"])
        worst = max(worst, float(np.abs(got - want).max()))
        orders += list(np.argsort(-got)) == list(np.argsort(-want))
        apart = want[:, None] - want
        turned = max(turned, apart[(apart > 0) & (got[:, None] < got)].max(initial=0.0))
    print(f"{len(batch)} queries of 20 documents: scores differ by {worst:.2g} at most, {orders} orders are equal, "
          f"documents that changed places were {turned:.2g} apart at most")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["convert", "compare"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("gguf")
    parser.add_argument("--pooling", default="mean", choices=["mean", "cls", "rank", "words"])
    parser.add_argument("--type", default="f16", choices=["f32", "f16", "q8_0"], help="of the matrices, where one is converted")
    parser.add_argument("--backend", default="cpu")
    args = parser.parse_args()
    if args.what == "convert":
        convert(args.folder, args.gguf, args.pooling, args.type)
    else:
        compare(args.folder, args.gguf, args.backend)
