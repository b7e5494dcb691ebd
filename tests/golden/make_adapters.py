"""Adapters of some tiny models, made by PEFT, and what the models compute with them: python make_adapters.py FOLDER, where
FOLDER holds the models as NAME.gguf (`tiny-models NAME NAME.gguf`).

Of each the adapter as PEFT saves it (adapters/NAME/), for one of them as llama.cpp's converter writes it too
(adapters/NAME.gguf), and in adapters.json logits, or states of a model that embeds, of the model with the adapter merged into
its weights, by transformers in float32.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFWriter
from hf_encoders import GEMMA, LLAMA, QWEN, bert, fill, sizes
from encoder_reference import Encoder
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file

HERE = Path(__file__).parent
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
LINEAR = [*ATTENTION, "gate_proj", "up_proj", "down_proj"]
# (name, model, what PEFT is told)
ADAPTERS = [
    ("llama", "llama-f32", dict(r=4, lora_alpha=8, target_modules=[*LINEAR, "embed_tokens", "lm_head"],
                                alpha_pattern={"q_proj": 20}, rank_pattern={"v_proj": 2})),
    ("llama-other", "llama-f32", dict(r=2, lora_alpha=4, target_modules=["q_proj", "v_proj", "down_proj"])),
    ("qwen2", "qwen2-f32", dict(r=3, lora_alpha=2, use_rslora=True, target_modules=LINEAR)),
    ("gemma3", "gemma3-f32", dict(r=2, lora_alpha=2, target_modules=LINEAR)),
    ("bert", "bert", dict(r=2, lora_alpha=6, target_modules=["word_embeddings", "query", "key", "value", "output.dense", "intermediate.dense"])),
]
GGUF = "llama"
# Numbers of a row that are kept, one of so many.
STRIDE = 5


def permute(array, heads):
    """Rows of Hugging Face's halves as llama.cpp's pairs, and (`undone`) back."""
    return array.reshape(heads, 2, -1, array.shape[1]).swapaxes(1, 2).reshape(array.shape)


def undone(array, heads):
    return array.reshape(heads, -1, 2, array.shape[1]).swapaxes(1, 2).reshape(array.shape)


def network(model):
    """Transformers' network with the model's weights."""
    import transformers as hf

    w = model.w
    if model.arch == "bert":
        return bert(model)
    common = dict(
        **sizes(model), intermediate_size=len(w["blk.0.ffn_up.weight"]), rms_norm_eps=model.eps,
        num_key_value_heads=model.kv_heads, head_dim=model.head_dim, tie_word_embeddings="output.weight" not in w,
        bos_token_id=0, eos_token_id=0,
    )
    plain = {"rope_type": "default", "rope_theta": model.theta}
    if model.arch == "llama":
        for blk in range(model.layers):
            for role, heads in ("q", model.heads), ("k", model.kv_heads):
                w[f"blk.{blk}.attn_{role}.weight"] = undone(w[f"blk.{blk}.attn_{role}.weight"], heads)
        net, names = hf.LlamaForCausalLM(hf.LlamaConfig(**common, rope_parameters=plain)), LLAMA
    elif model.arch == "qwen2":
        net, names = hf.Qwen2ForCausalLM(hf.Qwen2Config(**common, rope_parameters=plain)), LLAMA
    else:
        local = {"rope_type": "default", "rope_theta": model.local_theta}
        config = hf.Gemma3TextConfig(
            **common, sliding_window=model.window, query_pre_attn_scalar=model.head_dim, sliding_window_pattern=6,
            rope_parameters={"full_attention": plain, "sliding_attention": local},
        )
        net, names = hf.Gemma3ForCausalLM(config), GEMMA
        for name in w:
            # Kept as what is added to 1.
            if "norm" in name:
                w[name] = w[name] - 1
    return net, {ours: f"model.{theirs}" for ours, theirs in names.items()} | {"output": "lm_head"}


def ids_of(n_vocab, count):
    state, ids = 7, []
    for _ in range(count):
        state = (state * 1103515245 + 12345) % 2**31
        ids.append((state >> 8) % n_vocab)
    return ids


def compute(net, ids):
    with torch.no_grad():
        found = net(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long))
    return (found.logits if hasattr(found, "logits") else found.last_hidden_state)[0].numpy()


def convert(folder, model, config, out):
    """As llama.cpp's convert_lora_to_gguf.py writes it."""
    theirs = {f"model.{name}": ours for ours, name in QWEN.items()} | {"lm_head": "output"}
    writer = GGUFWriter(out, model.arch)
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(config["lora_alpha"]))
    for name, tensor in load_file(folder / "adapter_model.safetensors").items():
        stem = name.removeprefix("base_model.model.")
        module, half = stem.rsplit(".lora_", 1)
        blk = module.split(".")[2] if ".layers." in module else ""
        ours = theirs[module.replace(f".layers.{blk}.", ".layers.{}.")].format(blk)
        array = tensor.numpy()
        half = half[-1] if half.startswith("embedding") else half[0]
        if half == "B" and ours.endswith(("attn_q", "attn_k")):
            array = permute(array, model.heads if ours.endswith("q") else model.kv_heads)
        if half == "B" and module.endswith("q_proj"):
            # The file has one alpha: what is another's is multiplied in.
            array = array * (20 / 8)
        if half == "A" and ours == "token_embd":
            array = array.T.copy()
        writer.add_tensor(f"{ours}.weight.lora_{half.lower()}", np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    goldens = []
    for name, of, told in ADAPTERS:
        model = Encoder(Path(sys.argv[1]) / f"{of}.gguf")
        if model.head_dim is None:
            model.head_dim = model.n_embd // model.heads
        net, names = network(model)
        fill(net, names, model)
        net = net.float()
        ids = ids_of(model.n_vocab, 24)
        base = compute(net, ids)
        torch.manual_seed(len(name))
        net = get_peft_model(net, LoraConfig(**told))
        # PEFT begins with B = 0, or A of an embedding.
        for key, value in net.named_parameters():
            if "lora_" in key:
                torch.nn.init.normal_(value, std=value.shape[-1] ** -0.5 if "_A" in key else 0.15)
        folder = HERE / "adapters" / name
        net.save_pretrained(folder, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)
        if name == GGUF:
            plain = dict(r=4, lora_alpha=8)
            convert(folder, model, plain, folder.with_suffix(".gguf"))
        merged = compute(net.merge_and_unload(), ids)
        pick = lambda rows: [[float(f"{x:.8g}") for x in rows[at][::STRIDE]] for at in (0, 9, 23)]
        print(name, merged.shape, "changed by", float(np.abs(merged - base).max()), "of", float(np.abs(base).max()))
        goldens.append({"name": name, "model": of, "ids": ids, "base": pick(base), "merged": pick(merged)})
    (HERE / "adapters.json").write_text(json.dumps(goldens) + "\n")


if __name__ == "__main__":
    main()
