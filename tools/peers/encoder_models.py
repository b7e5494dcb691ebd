"""Writes one BERT encoder for all who embed with it: as GGUF for Sotto, as ONNX graphs for transformers.js.

    encoder_models.py HUGGING_FACE_FOLDER OUT_FOLDER

OUT_FOLDER gets f32.gguf, f16.gguf and q8_0.gguf, and beside them what transformers.js reads: config.json, the tokenizer's files,
onnx/model.onnx (dtype fp32) and onnx/model_quantized.onnx (dtype q8). The graphs consist of the fused operators that ONNX
Runtime makes of an exported model at best: MultiHeadAttention, SkipLayerNormalization, BiasGelu; in the second every matrix is
8 bits wide with a scale for each column, and activations are made 8 bits wide as it runs (DynamicQuantizeMatMul).
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

sys.path.append(str(Path(__file__).parents[1] / "eval"))
from encoders import convert, weights  # noqa: E402

MS = "com.microsoft"
FILES = ["config.json", "tokenizer.json", "tokenizer_config.json"]


class Graph:
    def __init__(self, w, bits8):
        self.w, self.bits8, self.nodes, self.tensors = w, bits8, [], {}

    def tensor(self, name, array):
        self.tensors[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def weight(self, name):
        return self.tensor(name, self.w[name])

    def node(self, op, inputs, domain="", outputs=1, **attributes):
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, domain=domain, **attributes))
        return names[0]

    def product(self, x, name):
        """x Wᵀ, without the bias."""
        columns = self.w[f"{name}.weight"].T
        if not self.bits8:
            return self.node("MatMul", [x, self.tensor(f"{name}.columns", columns)])
        scale = np.abs(columns).max(0) / 127
        integers = np.rint(columns / scale).astype(np.int8)
        parts = {"integers": integers, "scale": scale.astype(np.float32), "zero": np.zeros(len(scale), np.int8)}
        inputs = [self.tensor(f"{name}.{part}", array) for part, array in parts.items()]
        return self.node("DynamicQuantizeMatMul", [x, *inputs], MS)

    def norm(self, x, skip, name, bias, eps):
        inputs = [x, skip, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"), bias]
        return self.node("SkipLayerNormalization", inputs, MS, epsilon=eps)

    def bert(self, layers, heads, eps):
        embeddings = "embeddings."
        names = ["word_embeddings", "position_embeddings", "token_type_embeddings", "LayerNorm"]
        tables = [self.weight(f"{embeddings}{name}.weight") for name in names]
        ids = [self.node("Cast", [name], to=TensorProto.INT32) for name in ("input_ids", "token_type_ids")]
        mask = self.node("Cast", ["attention_mask"], to=TensorProto.INT32)
        norm_bias = self.weight(f"{embeddings}LayerNorm.bias")
        x = self.node("EmbedLayerNormalization", [*ids, *tables, norm_bias], MS, outputs=2, epsilon=eps)
        for i in range(layers):
            layer = f"encoder.layer.{i}."
            own = f"{layer}attention.self."
            parts = ["query", "key", "value"]
            qkv = [self.product(x, own + part) for part in parts]
            bias = self.tensor(own + "bias", np.concatenate([self.w[f"{own}{part}.bias"] for part in parts]))
            mixed = self.node("MultiHeadAttention", [*qkv, bias, mask], MS, num_heads=heads)
            out, down = f"{layer}attention.output.", f"{layer}output."
            x = self.norm(self.product(mixed, out + "dense"), x, out + "LayerNorm", self.weight(out + "dense.bias"), eps)
            up = self.product(x, f"{layer}intermediate.dense")
            up = self.node("BiasGelu", [up, self.weight(f"{layer}intermediate.dense.bias")], MS)
            x = self.norm(self.product(up, down + "dense"), x, down + "LayerNorm", self.weight(down + "dense.bias"), eps)
        self.node("Identity", [x])
        self.nodes[-1].output[0] = "last_hidden_state"

    def save(self, path):
        shape = ["batch", "tokens"]
        inputs = ["input_ids", "attention_mask", "token_type_ids"]
        graph = helper.make_graph(
            self.nodes,
            "bert",
            [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in inputs],
            [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*shape, None])],
            list(self.tensors.values()),
        )
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MS, 1)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)


def main(folder, out):
    (out / "onnx").mkdir(parents=True)
    for name in FILES:
        shutil.copy(folder / name, out / name)
    w, config = weights(folder), json.loads((folder / "config.json").read_text())
    for bits8, name in ((False, "model"), (True, "model_quantized")):
        graph = Graph(w, bits8)
        graph.bert(config["num_hidden_layers"], config["num_attention_heads"], config["layer_norm_eps"])
        graph.save(out / "onnx" / f"{name}.onnx")
    for kind in ("f32", "f16", "q8_0"):
        convert(folder, out / f"{kind}.gguf", "mean", kind)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
