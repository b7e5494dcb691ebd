"""BERT by Hugging Face (transformers 4, flax), with the weights of a GGUF file."""

import numpy as np


def flax_bert(w, heads, eps):
    """A function of ids, token types and a mask, (n,) each, that gives the states, (n, n_embd). `w`: float32 by GGUF's names."""
    from transformers import BertConfig, FlaxBertModel

    n_embd = w["token_embd.weight"].shape[1]
    layers = sum(name.endswith("ffn_up.weight") for name in w)
    types = w.get("token_types.weight", np.zeros((2, n_embd), np.float32))
    config = BertConfig(
        vocab_size=len(w["token_embd.weight"]), hidden_size=n_embd, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=len(w["blk.0.ffn_up.bias"]), layer_norm_eps=eps, type_vocab_size=len(types),
        max_position_embeddings=len(w["position_embd.weight"]),
    )

    def dense(name):
        return {"kernel": w[name + ".weight"].T, "bias": w[name + ".bias"]}

    def norm(name):
        return {"scale": w[name + ".weight"], "bias": w[name + ".bias"]}

    def layer(b):
        roles = {"query": "q", "key": "k", "value": "v"}
        return {
            "attention": {
                "self": {role: dense(f"{b}attn_{letter}") for role, letter in roles.items()},
                "output": {"dense": dense(b + "attn_output"), "LayerNorm": norm(b + "attn_output_norm")},
            },
            "intermediate": {"dense": dense(b + "ffn_up")},
            "output": {"dense": dense(b + "ffn_down"), "LayerNorm": norm(b + "layer_output_norm")},
        }

    params = {
        "embeddings": {
            "word_embeddings": {"embedding": w["token_embd.weight"]},
            "position_embeddings": {"embedding": w["position_embd.weight"]},
            "token_type_embeddings": {"embedding": types},
            "LayerNorm": norm("token_embd_norm"),
        },
        "encoder": {"layer": {str(i): layer(f"blk.{i}.") for i in range(layers)}},
    }
    model = FlaxBertModel(config, add_pooling_layer=False, _do_init=False)

    def states(ids, types, mask):
        ids, types, mask = (np.array([values]) for values in (ids, types, mask))
        out = model(ids, attention_mask=mask, token_type_ids=types, params=params)
        return np.array(out.last_hidden_state[0])

    return states
