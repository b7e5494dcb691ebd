//! What Hugging Face calls the tensors that GGUF has under other names: a table for each group of architectures.

/// A matrix of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// As GGUF names it.
    pub target: String,
    /// Its rows lie in GGUF's files as pairs, in Hugging Face's as halves.
    pub halves: bool,
}

/// Theirs, GGUF's.
type Rows = &'static [(&'static str, &'static str)];

/// The names of a group.
pub struct Names {
    archs: &'static [&'static str],
    /// Queries and keys are rotated in pairs of neighbours in GGUF's files, and by halves in Hugging Face's.
    halves: bool,
    /// Norms are by one less in Hugging Face's files.
    one_less: bool,
    /// What stands before a layer's number.
    layers: &'static str,
    /// Matrices of a layer.
    of_layer: Rows,
    /// Norms of a layer.
    norms: Rows,
    /// Matrices elsewhere that an adapter may change.
    others: Rows,
    /// What else there is.
    ends: Rows,
    /// What begins so is of no use to texts.
    unused: &'static [&'static str],
}

/// A tensor of a repository.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// To be taken.
    Taken {
        /// As GGUF names it.
        name: String,
        /// Its rows lie in GGUF's files as pairs, in Hugging Face's as halves.
        halves: bool,
        /// It is by one less than in GGUF's files.
        one_less: bool,
    },
    /// Not to be taken.
    Unused,
    /// Nothing is known of it.
    Unknown,
}

/// What models are wrapped in, by what they are loaded for.
const WRAPPERS: [&str; 5] = ["model.", "language_model.", "transformer.", "bert.", "roberta."];

const DECODER: Rows = &[
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];
const HEAD: Rows = &[("embed_tokens", "token_embd"), ("lm_head", "output")];
/// Before attention and before the feed-forward network.
const BEFORE: Rows = &[("input_layernorm", "attn_norm"), ("post_attention_layernorm", "ffn_norm")];
const BEFORE_AND_HEADS: Rows = &[
    ("input_layernorm", "attn_norm"),
    ("post_attention_layernorm", "ffn_norm"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
];
/// On both sides, and of heads where there are some.
const AROUND: Rows = &[
    ("input_layernorm", "attn_norm"),
    ("post_attention_layernorm", "post_attention_norm"),
    ("pre_feedforward_layernorm", "ffn_norm"),
    ("post_feedforward_layernorm", "post_ffw_norm"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
];
const LAST: Rows = &[("norm", "output_norm")];

/// What most decoders have.
const USUAL: Names = Names {
    archs: &[],
    halves: false,
    one_less: false,
    layers: "layers.",
    of_layer: DECODER,
    norms: BEFORE,
    others: HEAD,
    ends: LAST,
    // Angles that older files keep, and the parts of models that see.
    unused: &["vision_tower.", "multi_modal_projector.", "rotary_emb."],
};

const TABLES: &[Names] = &[
    Names { archs: &["llama", "granite", "arcee", "smollm3"], halves: true, ..USUAL },
    Names { archs: &["qwen2", "seed_oss"], ..USUAL },
    Names { archs: &["qwen3"], norms: BEFORE_AND_HEADS, ..USUAL },
    Names {
        archs: &["hunyuan-dense"],
        norms: &[
            ("input_layernorm", "attn_norm"),
            ("post_attention_layernorm", "ffn_norm"),
            ("self_attn.query_layernorm", "attn_q_norm"),
            ("self_attn.key_layernorm", "attn_k_norm"),
        ],
        ..USUAL
    },
    Names { archs: &["gemma"], one_less: true, ..USUAL },
    Names { archs: &["gemma2", "gemma3"], one_less: true, norms: AROUND, ..USUAL },
    Names { archs: &["olmo2", "exaone4"], norms: AROUND, ..USUAL },
    Names {
        archs: &["glm4"],
        of_layer: &[
            ("self_attn.q_proj", "attn_q"),
            ("self_attn.k_proj", "attn_k"),
            ("self_attn.v_proj", "attn_v"),
            ("self_attn.o_proj", "attn_output"),
            ("mlp.gate_up_proj", "ffn_up"),
            ("mlp.down_proj", "ffn_down"),
        ],
        norms: &[
            ("input_layernorm", "attn_norm"),
            ("post_self_attn_layernorm", "post_attention_norm"),
            ("post_attention_layernorm", "ffn_norm"),
            ("post_mlp_layernorm", "post_ffw_norm"),
        ],
        ..USUAL
    },
    Names {
        archs: &["phi3"],
        of_layer: &[
            ("self_attn.qkv_proj", "attn_qkv"),
            ("self_attn.o_proj", "attn_output"),
            ("mlp.gate_up_proj", "ffn_up"),
            ("mlp.down_proj", "ffn_down"),
        ],
        ..USUAL
    },
    Names {
        archs: &["starcoder2"],
        of_layer: &[
            ("self_attn.q_proj", "attn_q"),
            ("self_attn.k_proj", "attn_k"),
            ("self_attn.v_proj", "attn_v"),
            ("self_attn.o_proj", "attn_output"),
            ("mlp.c_fc", "ffn_up"),
            ("mlp.c_proj", "ffn_down"),
        ],
        ..USUAL
    },
    Names {
        archs: &["gpt2"],
        layers: "h.",
        of_layer: &[
            ("attn.c_attn", "attn_qkv"),
            ("attn.c_proj", "attn_output"),
            ("mlp.c_fc", "ffn_up"),
            ("mlp.c_proj", "ffn_down"),
        ],
        others: &[("wte", "token_embd"), ("lm_head", "output")],
        ..USUAL
    },
    Names {
        archs: &["bert"],
        layers: "encoder.layer.",
        of_layer: &[
            ("attention.self.query", "attn_q"),
            ("attention.self.key", "attn_k"),
            ("attention.self.value", "attn_v"),
            ("attention.output.dense", "attn_output"),
            ("intermediate.dense", "ffn_up"),
            ("output.dense", "ffn_down"),
        ],
        norms: &[("attention.output.LayerNorm", "attn_output_norm"), ("output.LayerNorm", "layer_output_norm")],
        others: &[("embeddings.word_embeddings", "token_embd")],
        ends: &[
            ("embeddings.position_embeddings", "position_embd"),
            ("embeddings.token_type_embeddings", "token_types"),
            ("embeddings.LayerNorm", "token_embd_norm"),
            ("pooler.dense", "cls"),
            ("classifier", "cls.output"),
            ("cls.predictions.transform.dense", "cls"),
            ("cls.predictions.transform.LayerNorm", "cls.norm"),
            ("cls.predictions", "output"),
            ("cls.predictions.decoder", "output"),
        ],
        // The choice between two sentences, and numbers from 0 on.
        unused: &["cls.seq_relationship.", "embeddings.position_ids"],
        ..USUAL
    },
    Names {
        archs: &["modern-bert"],
        of_layer: &[
            ("attn.Wqkv", "attn_qkv"),
            ("attn.Wo", "attn_output"),
            ("mlp.Wi", "ffn_up"),
            ("mlp.Wo", "ffn_down"),
        ],
        others: &[("embeddings.tok_embeddings", "token_embd")],
        ..USUAL
    },
];

/// How the parts of a module end: as they are called now and were before, and in GGUF's files.
const PARTS: Rows = &[(".weight", ".weight"), (".bias", ".bias"), (".gamma", ".weight"), (".beta", ".bias")];

/// What is inside all wrappers.
fn unwrapped(module: &str) -> &str {
    let mut rest = module;
    while let Some(inner) = WRAPPERS.iter().find_map(|wrapper| rest.strip_prefix(wrapper)) {
        rest = inner;
    }
    rest
}

fn named(rows: Rows, name: &str) -> Option<&'static str> {
    rows.iter().find(|row| row.0 == name).map(|row| row.1)
}

impl Names {
    /// Those of an architecture; `None` where they are not known.
    pub fn of(arch: &str) -> Option<&'static Names> {
        TABLES.iter().find(|names| names.archs.contains(&arch))
    }

    /// The matrix of a module, such as `model.layers.0.self_attn.q_proj`.
    pub fn find(&self, module: &str) -> Option<Place> {
        let rest = unwrapped(module);
        if let Some(target) = named(self.others, rest) {
            return Some(Place { target: format!("{target}.weight"), halves: false });
        }
        let (layer, name) = self.in_layer(rest)?;
        let target = named(self.of_layer, name)?;
        Some(Place { target: format!("blk.{layer}.{target}.weight"), halves: self.has_halves(target) })
    }

    /// The tensor of a repository's name, such as `model.layers.0.self_attn.q_proj.weight`.
    pub fn tensor(&self, name: &str) -> Found {
        let rest = unwrapped(name);
        if self.unused.iter().any(|unused| rest.starts_with(unused) || rest.contains(&format!(".{unused}"))) {
            return Found::Unused;
        }
        let part = PARTS.iter().find_map(|(theirs, ours)| Some((rest.strip_suffix(theirs)?, ours)));
        let Some((module, part)) = part else { return Found::Unknown };
        let taken = |name: String, halves: bool, norm: bool| Found::Taken {
            name: format!("{name}{part}"),
            halves,
            one_less: norm && self.one_less,
        };
        if let Some(target) = named(self.others, module).or_else(|| named(self.ends, module)) {
            return taken(target.into(), false, target.ends_with("norm"));
        }
        let Some((layer, module)) = self.in_layer(module) else { return Found::Unknown };
        match (named(self.of_layer, module), named(self.norms, module)) {
            (Some(target), _) => taken(format!("blk.{layer}.{target}"), self.has_halves(target), false),
            (None, Some(target)) => taken(format!("blk.{layer}.{target}"), false, true),
            (None, None) => Found::Unknown,
        }
    }

    fn has_halves(&self, target: &str) -> bool {
        self.halves && matches!(target, "attn_q" | "attn_k")
    }

    /// A layer's number, and what follows.
    fn in_layer<'a>(&self, name: &'a str) -> Option<(u32, &'a str)> {
        let (layer, name) = name.strip_prefix(self.layers)?.split_once('.')?;
        Some((layer.parse().ok()?, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_in_whatever_they_are_wrapped() {
        let llama = Names::of("llama").unwrap();
        let q = Place { target: "blk.12.attn_q.weight".into(), halves: true };
        assert_eq!(llama.find("model.layers.12.self_attn.q_proj"), Some(q.clone()));
        assert_eq!(llama.find("layers.12.self_attn.q_proj"), Some(q));
        assert_eq!(llama.find("lm_head").map(|place| place.target), Some("output.weight".into()));
        assert_eq!(llama.find("model.layers.x.self_attn.q_proj"), None);
        assert_eq!(llama.find("model.layers.1.self_attn.w_pack"), None);
        let bert = Names::of("bert").unwrap();
        let down = bert.find("bert.encoder.layer.0.output.dense").unwrap();
        assert_eq!(down, Place { target: "blk.0.ffn_down.weight".into(), halves: false });
        assert!(Names::of("gptneox").is_none());
    }
    #[test]
    fn tensors_are_found_by_their_names() {
        let taken = |name: &str, halves, one_less| Found::Taken { name: name.into(), halves, one_less };
        let llama = Names::of("llama").unwrap();
        assert_eq!(llama.tensor("model.layers.3.self_attn.k_proj.bias"), taken("blk.3.attn_k.bias", true, false));
        assert_eq!(llama.tensor("model.norm.weight"), taken("output_norm.weight", false, false));
        assert_eq!(llama.tensor("model.layers.3.self_attn.rotary_emb.inv_freq"), Found::Unused);
        assert_eq!(llama.tensor("model.layers.3.self_attn.q_proj.scales"), Found::Unknown);
        let gemma = Names::of("gemma3").unwrap();
        let post = gemma.tensor("language_model.model.layers.0.post_attention_layernorm.weight");
        assert_eq!(post, taken("blk.0.post_attention_norm.weight", false, true));
        assert_eq!(gemma.tensor("vision_tower.vision_model.embeddings.patch_embedding.weight"), Found::Unused);
        assert_eq!(gemma.tensor("model.norm.weight"), taken("output_norm.weight", false, true));
        let bert = Names::of("bert").unwrap();
        let norm = bert.tensor("bert.encoder.layer.1.output.LayerNorm.gamma");
        assert_eq!(norm, taken("blk.1.layer_output_norm.weight", false, false));
        assert_eq!(bert.tensor("bert.embeddings.LayerNorm.beta"), taken("token_embd_norm.bias", false, false));
        assert_eq!(bert.tensor("bert.embeddings.position_ids"), Found::Unused);
        assert_eq!(bert.tensor("cls.predictions.bias"), taken("output.bias", false, false));
    }
}
