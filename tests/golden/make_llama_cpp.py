"""llama.cpp as an oracle: token ids, and logits with a float32 cache.

Needs `llama_cpp` (the bindings of the PyPI source package llama-cpp-python) on PYTHONPATH and
LLAMA_CPP_LIB_PATH naming the folder of its libllama.so. See README.md for the build.
"""

import ctypes

import llama_cpp as lib
import numpy as np

QUIET = lib.llama_log_callback(lambda *_: None)
lib.llama_log_set(QUIET, None)
VERSION = f"llama-cpp-python {lib.__version__}"


class LlamaCpp:
    def __init__(self, path, vocab_only=False):
        params = lib.llama_model_default_params()
        params.vocab_only = vocab_only
        self.model = lib.llama_model_load_from_file(str(path).encode(), params)
        assert self.model, f"llama.cpp refused {path}"
        self.vocab = lib.llama_model_get_vocab(self.model)

    def close(self):
        lib.llama_model_free(self.model)

    def n_vocab(self):
        return lib.llama_vocab_n_tokens(self.vocab)

    def encode(self, text, add_special, parse_special):
        data = text.encode()
        ids = (lib.llama_token * (len(data) + 8))()
        n = lib.llama_tokenize(self.vocab, data, len(data), ids, len(ids), add_special, parse_special)
        assert n >= 0
        return list(ids[:n])

    def decode(self, ids, keep_special):
        """The text as bytes, read as UTF-8 with replacement characters."""
        tokens = (lib.llama_token * max(len(ids), 1))(*ids)
        out = ctypes.create_string_buffer(64 * (len(ids) + 1))
        n = lib.llama_detokenize(self.vocab, tokens, len(ids), out, len(out), False, keep_special)
        assert n >= 0
        return out.raw[:n].decode(errors="replace")

    def is_control(self, token):
        return lib.llama_vocab_is_control(self.vocab, token)

    def eog(self):
        return [i for i in range(lib.llama_vocab_n_tokens(self.vocab)) if lib.llama_vocab_is_eog(self.vocab, i)]

    def logits(self, ids):
        """Logits at every position, (n, n_vocab): float32 cache, no flash attention, one batch."""
        params = lib.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = 512
        params.type_k = params.type_v = 0  # F32
        params.flash_attn_type = 0
        params.n_threads = params.n_threads_batch = 1
        context = lib.llama_init_from_model(self.model, params)
        assert context
        batch = lib.llama_batch_init(len(ids), 0, 1)
        batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, i, 1, 1
            batch.seq_id[i][0] = 0
        assert lib.llama_decode(context, batch) == 0
        n_vocab = lib.llama_vocab_n_tokens(self.vocab)
        rows = [np.ctypeslib.as_array(lib.llama_get_logits_ith(context, i), (n_vocab,)).copy() for i in range(len(ids))]
        lib.llama_batch_free(batch)
        lib.llama_free(context)
        return np.stack(rows)
