"""An importance matrix: how large what a model's matrices multiply is, by llama.cpp, for requantize.py.

Run: llama.cpp's bindings as in README.md; python tests/golden/importance.py MODEL.gguf OUT.npz
For each matrix the mean of the squares of each column's input, over the texts of prompts.json but the one that
tools/eval/tensor_types.py scores.
"""

import ctypes
import json
import sys
from pathlib import Path

import llama_cpp as lib
import numpy as np
from llama_cpp import llama_cpp as raw
from make_llama_cpp import LlamaCpp

CONTEXT = 512


class Tensor(ctypes.Structure):
    """ggml_tensor."""


Tensor._fields_ = [
    ("type", ctypes.c_int), ("buffer", ctypes.c_void_p), ("ne", ctypes.c_int64 * 4), ("nb", ctypes.c_size_t * 4),
    ("op", ctypes.c_int), ("op_params", ctypes.c_int32 * 16), ("flags", ctypes.c_int32), ("src", ctypes.POINTER(Tensor) * 10),
    ("view_src", ctypes.c_void_p), ("view_offs", ctypes.c_size_t), ("data", ctypes.c_void_p), ("name", ctypes.c_char * 64),
]  # fmt: skip


def main(model: str, out: str) -> None:
    sums, counts = {}, {}

    def weights(tensor):
        """The name of the matrix that a product multiplies by, if it is one of the file's."""
        source = tensor.src[0]
        name = source.contents.name.decode() if source else ""
        if not name.endswith(".weight") or not tensor.src[1]:
            return None
        return name if tensor.src[1].contents.ne[0] == source.contents.ne[0] else None

    def watch(pointer, ask, _):
        tensor = ctypes.cast(pointer, ctypes.POINTER(Tensor)).contents
        name = weights(tensor)
        if ask or name is None:
            return name is not None
        columns, rows = tensor.src[1].contents.ne[0], tensor.src[1].contents.ne[1]
        data = ctypes.cast(tensor.src[1].contents.data, ctypes.POINTER(ctypes.c_float))
        squares = np.ctypeslib.as_array(data, (rows, columns)).astype(np.float64) ** 2
        sums[name] = sums.get(name, 0) + squares.sum(0)
        counts[name] = counts.get(name, 0) + rows
        return True

    oracle = LlamaCpp(model)
    params = lib.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = CONTEXT
    params.flash_attn_type = 0
    callback = raw.ggml_backend_sched_eval_callback(watch)
    params.cb_eval = callback
    context = lib.llama_init_from_model(oracle.model, params)
    prompts = json.loads(Path(__file__).with_name("prompts.json").read_text())
    for prompt in prompts:
        # What is scored is the beginning of the long one.
        text = prompt["text"][3000:] if prompt["name"] == "long" else prompt["text"]
        ids = oracle.encode(text, True, False)[:CONTEXT]
        if not ids:
            continue
        lib.llama_memory_clear(lib.llama_get_memory(context), True)
        tokens = (lib.llama_token * len(ids))(*ids)
        batch = lib.llama_batch_get_one(tokens, len(ids))
        assert lib.llama_decode(context, batch) == 0
    np.savez(out, **{name: (total / counts[name]).astype(np.float32) for name, total in sums.items()})
    print(f"{len(sums)} matrices, {max(counts.values())} tokens")


if __name__ == "__main__":
    main(*sys.argv[1:])
