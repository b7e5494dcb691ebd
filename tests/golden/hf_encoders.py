"""Encoders by Hugging Face (transformers 5, torch), with the weights of a GGUF file, in float64."""

import numpy as np

# Hugging Face's name of each tensor: of all layers, and with {} for a layer's number.
BERT = {
    "token_embd": "bert.embeddings.word_embeddings", "position_embd": "bert.embeddings.position_embeddings",
    "token_types": "bert.embeddings.token_type_embeddings", "token_embd_norm": "bert.embeddings.LayerNorm",
    "blk.{}.attn_q": "bert.encoder.layer.{}.attention.self.query", "blk.{}.attn_k": "bert.encoder.layer.{}.attention.self.key",
    "blk.{}.attn_v": "bert.encoder.layer.{}.attention.self.value",
    "blk.{}.attn_output": "bert.encoder.layer.{}.attention.output.dense",
    "blk.{}.attn_output_norm": "bert.encoder.layer.{}.attention.output.LayerNorm",
    "blk.{}.ffn_up": "bert.encoder.layer.{}.intermediate.dense", "blk.{}.ffn_down": "bert.encoder.layer.{}.output.dense",
    "blk.{}.layer_output_norm": "bert.encoder.layer.{}.output.LayerNorm",
}
BERT_WORDS = {
    "cls": "cls.predictions.transform.dense", "cls.norm": "cls.predictions.transform.LayerNorm", "output": "cls.predictions",
}
BERT_SCORES = {"cls": "bert.pooler.dense", "cls.output": "classifier"}
MODERN = {
    "token_embd": "model.embeddings.tok_embeddings", "token_embd_norm": "model.embeddings.norm", "output_norm": "model.final_norm",
    "blk.{}.attn_norm": "model.layers.{}.attn_norm", "blk.{}.attn_qkv": "model.layers.{}.attn.Wqkv",
    "blk.{}.attn_output": "model.layers.{}.attn.Wo", "blk.{}.ffn_norm": "model.layers.{}.mlp_norm",
    "blk.{}.ffn_up": "model.layers.{}.mlp.Wi", "blk.{}.ffn_down": "model.layers.{}.mlp.Wo",
}
MODERN_WORDS = {"cls": "head.dense", "cls.norm": "head.norm", "output": "decoder"}
MODERN_SCORES = {"cls": "head.dense", "cls.norm": "head.norm", "cls.output": "classifier"}
LLAMA = {
    "token_embd": "embed_tokens", "output_norm": "norm", "blk.{}.attn_norm": "layers.{}.input_layernorm",
    "blk.{}.attn_q": "layers.{}.self_attn.q_proj", "blk.{}.attn_k": "layers.{}.self_attn.k_proj",
    "blk.{}.attn_v": "layers.{}.self_attn.v_proj", "blk.{}.attn_output": "layers.{}.self_attn.o_proj",
    "blk.{}.ffn_norm": "layers.{}.post_attention_layernorm", "blk.{}.ffn_gate": "layers.{}.mlp.gate_proj",
    "blk.{}.ffn_up": "layers.{}.mlp.up_proj", "blk.{}.ffn_down": "layers.{}.mlp.down_proj",
}
QWEN = LLAMA | {
    "blk.{}.attn_q_norm": "layers.{}.self_attn.q_norm", "blk.{}.attn_k_norm": "layers.{}.self_attn.k_norm",
}
GEMMA = QWEN | {
    "blk.{}.post_attention_norm": "layers.{}.post_attention_layernorm",
    "blk.{}.ffn_norm": "layers.{}.pre_feedforward_layernorm", "blk.{}.post_ffw_norm": "layers.{}.post_feedforward_layernorm",
}


def hugging_face(model, masked=lambda ids: len(ids) // 2):
    """A function of ids and token types that gives states, scores and words, as far as there are any; or None. `masked` says
    which of the ids words are wanted of."""
    made = {"bert": bert, "modern-bert": modern_bert, "eurobert": eurobert, "gemma-embedding": gemma, "qwen3": qwen}.get(model.arch)
    if made is None:
        return None
    import torch

    torch.set_default_dtype(torch.float64)
    net, names = made(model)
    fill(net, names, model)

    def run(ids, types):
        inputs = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
        if model.arch == "bert":
            inputs["token_type_ids"] = torch.tensor([types])
        with torch.no_grad():
            found = net(**inputs, output_hidden_states=True)
        if not hasattr(found, "logits"):
            return {"states": found.last_hidden_state[0].numpy()}
        logits = found.logits[0].numpy()
        return {"scores": logits} if logits.ndim == 1 else {"words": logits[masked(ids)]}

    return run


def fill(net, names, model):
    """The file's tensors into the network, each of which has to have its place."""
    import torch

    state = net.state_dict()
    left = set(state)
    for name, array in model.w.items():
        stem, part = name.rsplit(".", 1)
        blk = stem.split(".")[1] if stem.startswith("blk.") else ""
        theirs = names.get(stem.replace(f"blk.{blk}.", "blk.{}.") if blk else stem)
        # Sentence-transformers' matrices, and a classifier of another kind than BERT's.
        if theirs is None and stem in ("dense_2", "dense_3", "cls.output", "output"):
            continue
        theirs = f"{theirs.format(blk)}.{part}"
        # Gemma's weights of norms are kept as what is added to 1.
        is_norm = model.arch == "gemma-embedding" and "norm" in stem
        state[theirs].copy_(torch.tensor(array - 1 if is_norm else array).reshape(state[theirs].shape))
        left.discard(theirs)
    # Not of the file: numbers of tokens, the pooler where it is not wanted, and what is tied.
    tied = ("position_ids", "token_type_ids", "pooler", "decoder.weight", "decoder.bias", "lm_head.weight")
    left = {name for name in left if not any(part in name for part in tied)}
    assert not left, left
    net.eval()


def sizes(model):
    return dict(
        vocab_size=model.n_vocab, hidden_size=model.n_embd, num_hidden_layers=model.layers, num_attention_heads=model.heads,
        max_position_embeddings=512, attn_implementation="eager", pad_token_id=0,
    )


def bert(model):
    from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification, BertModel

    w = model.w
    config = BertConfig(
        **sizes(model), intermediate_size=len(w["blk.0.ffn_up.bias"]), layer_norm_eps=model.eps,
        type_vocab_size=len(w.get("token_types.weight", [0, 0])), num_labels=len(w.get("cls.output.weight", [0])),
    )
    # XLM-RoBERTa's are nothing.
    w.setdefault("token_types.weight", np.zeros((2, model.n_embd)))
    if "output.bias" in w:
        return BertForMaskedLM(config), BERT | BERT_WORDS
    if "cls.weight" in w:
        return BertForSequenceClassification(config), BERT | BERT_SCORES
    return BertModel(config), {ours: theirs.removeprefix("bert.") for ours, theirs in BERT.items()}


def modern_bert(model):
    from transformers import ModernBertConfig, ModernBertForMaskedLM, ModernBertForSequenceClassification, ModernBertModel

    w = model.w
    config = ModernBertConfig(
        **sizes(model), intermediate_size=w["blk.0.ffn_down.weight"].shape[1], norm_eps=model.eps,
        global_attn_every_n_layers=3, local_attention=model.window, global_rope_theta=model.theta,
        local_rope_theta=model.local_theta, hidden_activation=model.act.__name__, classifier_pooling="mean",
        num_labels=len(w.get("cls.output.weight", [0])), cls_token_id=0, sep_token_id=0, bos_token_id=0, eos_token_id=0,
    )
    if "output.bias" in w:
        return ModernBertForMaskedLM(config), MODERN | MODERN_WORDS
    if "cls.output.weight" in w:
        return ModernBertForSequenceClassification(config), MODERN | MODERN_SCORES
    return ModernBertModel(config), {ours: theirs.removeprefix("model.") for ours, theirs in MODERN.items()}


def eurobert(model):
    from transformers import EuroBertConfig, EuroBertModel

    config = EuroBertConfig(
        **sizes(model), intermediate_size=len(model.w["blk.0.ffn_up.weight"]), rms_norm_eps=model.eps,
        num_key_value_heads=model.kv_heads, rope_parameters={"rope_type": "default", "rope_theta": model.theta},
        bos_token_id=0, eos_token_id=0, mask_token_id=0,
    )
    return EuroBertModel(config), LLAMA


def gemma(model):
    from transformers import Gemma3TextConfig, Gemma3TextModel

    config = Gemma3TextConfig(
        **sizes(model), intermediate_size=len(model.w["blk.0.ffn_up.weight"]), rms_norm_eps=model.eps,
        num_key_value_heads=model.kv_heads, head_dim=model.head_dim, sliding_window=model.window,
        use_bidirectional_attention=True, query_pre_attn_scalar=model.head_dim, sliding_window_pattern=6,
        rope_parameters={
            "full_attention": {"rope_type": "default", "rope_theta": model.theta},
            "sliding_attention": {"rope_type": "default", "rope_theta": model.local_theta},
        },
    )
    return Gemma3TextModel(config), GEMMA


def qwen(model, writes=False):
    """`writes`: as the language model, whose output matrix is the embedding."""
    from transformers import Qwen3Config, Qwen3ForCausalLM, Qwen3Model

    config = Qwen3Config(
        **sizes(model), intermediate_size=len(model.w["blk.0.ffn_up.weight"]), rms_norm_eps=model.eps, head_dim=model.head_dim,
        num_key_value_heads=model.kv_heads, rope_parameters={"rope_type": "default", "rope_theta": model.theta},
        tie_word_embeddings=True, bos_token_id=0, eos_token_id=0,
    )
    if writes:
        return Qwen3ForCausalLM(config), {ours: f"model.{theirs}" for ours, theirs in QWEN.items()}
    return Qwen3Model(config), QWEN
