//! Model configurations from headers: defaults, the table of architectures, refusals.

use crate::common::gguf_writer::{Random, Writer, value};
use sotto::base::error::{Code, Error};
use sotto::file::gguf::HeaderParser;
use sotto::model::config::{ARCHITECTURES, Activation, ModelConfig, Role};
use sotto::quant::TensorType;

type Pair = (&'static str, (u32, Vec<u8>));
type Tensor = (String, Vec<u64>);

/// A model as lists of keys and tensors that a test may change before it is written.
struct Model {
    arch: &'static str,
    keys: Vec<Pair>,
    tensors: Vec<Tensor>,
}

const LAYERS: u32 = 7;
const SPECIAL: [Role; 10] = [
    Role::Output,
    Role::RopeFreqs,
    Role::AttnQBias,
    Role::AttnKBias,
    Role::AttnVBias,
    Role::AttnQNorm,
    Role::AttnKNorm,
    Role::PostAttentionNorm,
    Role::PostFfwNorm,
    Role::TokenEmbd,
];

/// 64 wide, 4 heads of 16 with 2 key heads, 96 inside the feed-forward network, 40 tokens.
fn model(arch: &'static str) -> Model {
    let mut model = Model {
        arch,
        keys: vec![
            ("block_count", value::u32(LAYERS)),
            ("context_length", value::u32(2048)),
            ("embedding_length", value::u32(64)),
            ("feed_forward_length", value::u32(96)),
            ("attention.head_count", value::u32(4)),
            ("attention.head_count_kv", value::u32(2)),
            ("attention.layer_norm_rms_epsilon", value::f32(1e-5)),
            ("vocab_size", value::u32(40)),
        ],
        tensors: vec![("token_embd.weight".into(), vec![64, 40])],
    };
    for role in Role::all().filter(|role| !SPECIAL.contains(role)) {
        model.add(role);
    }
    if arch == "gemma3" {
        model.set("attention.sliding_window", value::u32(32));
    }
    for required in ARCHITECTURES.iter().filter(|row| row.name == arch).flat_map(|row| row.required) {
        model.add(*required);
    }
    model
}

impl Model {
    fn add(&mut self, role: Role) {
        let shape = match role {
            Role::TokenEmbd | Role::Output => vec![64, 40],
            Role::RopeFreqs => vec![8],
            Role::AttnQ | Role::AttnOutput => vec![64, 64],
            Role::AttnK | Role::AttnV => vec![64, 32],
            Role::AttnQBias => vec![64],
            Role::AttnKBias | Role::AttnVBias => vec![32],
            Role::AttnQNorm | Role::AttnKNorm => vec![16],
            Role::FfnGate | Role::FfnUp => vec![64, 96],
            Role::FfnDown => vec![96, 64],
            _ => vec![64],
        };
        for layer in 0..if role.per_layer() { LAYERS } else { 1 } {
            self.tensors.push((role.name(layer), shape.clone()));
        }
    }

    fn set(&mut self, key: &'static str, value: (u32, Vec<u8>)) {
        self.unset(key);
        self.keys.push((key, value));
    }

    fn unset(&mut self, key: &str) {
        self.keys.retain(|(other, _)| *other != key);
    }

    fn header(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.key("general.architecture", value::text(self.arch));
        for (key, value) in &self.keys {
            let key = match key.strip_prefix('/') {
                Some(global) => global.to_string(),
                None => format!("{}.{key}", self.arch),
            };
            writer.key(&key, value.clone());
        }
        for (name, shape) in &self.tensors {
            writer.append(name, shape, TensorType::F32);
        }
        writer.header()
    }

    fn read(&self) -> Result<ModelConfig, Error> {
        let (header, _) = HeaderParser::new().push(&self.header()).unwrap().unwrap();
        ModelConfig::from_header(&header)
    }

    #[track_caller]
    fn fails(&self, code: Code, says: &str) {
        let error = self.read().expect_err("must be refused");
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains(says), "{error} does not say {says:?}");
    }
}

/// What a change to a good model of an architecture leads to.
#[track_caller]
fn refused(arch: &'static str, change: impl FnOnce(&mut Model), code: Code, says: &str) {
    let mut model = model(arch);
    change(&mut model);
    model.fails(code, says);
}

fn accepted(arch: &'static str, change: impl FnOnce(&mut Model)) -> ModelConfig {
    let mut model = model(arch);
    change(&mut model);
    model.read().unwrap()
}

#[test]
fn llama_with_defaults() {
    let config = accepted("llama", |_| {});
    assert_eq!(config.arch, "llama");
    assert_eq!((config.n_layers, config.n_embd, config.n_heads, config.n_kv_heads), (7, 64, 4, 2));
    assert_eq!((config.head_dim, config.rope_dim, config.n_ff, config.n_vocab), (16, 16, 96, 40));
    assert_eq!((config.q_dim(), config.kv_dim()), (64, 32));
    assert_eq!((config.context_length, config.norm_eps, config.attn_scale), (2048, 1e-5, 0.25));
    assert_eq!((config.activation, config.embed_scale, config.rope_neox), (Activation::Silu, 1.0, false));
    assert!(config.tied_output && !config.qkv_bias && !config.qk_norm && !config.post_norms && !config.rope_freqs);
    assert_eq!((config.attn_logit_softcap, config.final_logit_softcap), (None, None));
    assert_eq!(config.layers.len(), 7);
    for layer in &config.layers {
        assert_eq!((layer.rope_theta, layer.rope_scale, layer.window), (10_000.0, 1.0, None));
    }
}

#[test]
fn llama_with_everything() {
    let config = accepted("llama", |model| {
        for role in [Role::Output, Role::RopeFreqs, Role::AttnQBias, Role::AttnKBias, Role::AttnVBias] {
            model.add(role);
        }
        model.set("rope.freq_base", value::f32(500_000.0));
        model.set("rope.scaling.type", value::text("linear"));
        model.set("rope.scaling.factor", value::f32(4.0));
        model.set("attention.key_length", value::u32(16));
        model.set("attention.value_length", value::u32(16));
        model.set("rope.dimension_count", value::u32(16));
        model.set("final_logit_softcapping", value::f32(30.0));
        // Not a window for this architecture.
        model.set("attention.sliding_window", value::u32(8));
    });
    assert!(!config.tied_output && config.rope_freqs && config.qkv_bias);
    assert_eq!((config.rope_scaling, config.final_logit_softcap), (4.0, Some(30.0)));
    assert_eq!(
        (config.layers[6].rope_theta, config.layers[6].rope_scale, config.layers[6].window),
        (500_000.0, 0.25, None)
    );
}

#[test]
fn qwen2_has_biases_and_neox() {
    let config = accepted("qwen2", |_| {});
    assert!(config.rope_neox && config.qkv_bias && config.tied_output);
    refused(
        "qwen2",
        |model| model.tensors.retain(|(name, _)| name != "blk.3.attn_k.bias"),
        Code::MissingTensor,
        "blk.3.attn_k.bias",
    );
}

#[test]
fn gemma3_alternates() {
    let config = accepted("gemma3", |model| {
        model.set("rope.scaling.factor", value::f32(8.0));
    });
    assert_eq!((config.activation, config.embed_scale, config.rope_neox), (Activation::GeluTanh, 8.0, true));
    assert!(config.qk_norm && config.post_norms && config.tied_output);
    for (index, layer) in config.layers.iter().enumerate() {
        let expected = if index == 5 { (1_000_000.0, 0.125, None) } else { (10_000.0, 1.0, Some(32)) };
        assert_eq!((layer.rope_theta, layer.rope_scale, layer.window), expected, "layer {index}");
    }
}

#[test]
fn gemma3_pattern_from_the_file() {
    let windows =
        |config: ModelConfig| config.layers.iter().map(|layer| layer.window.is_some() as u8).collect::<Vec<_>>();
    const PATTERN: &str = "attention.sliding_window_pattern";
    assert_eq!(windows(accepted("gemma3", |model| model.set(PATTERN, value::u32(3)))), [1, 1, 0, 1, 1, 0, 1]);
    assert_eq!(windows(accepted("gemma3", |model| model.set(PATTERN, value::u32(1)))), [0; 7]);
    let list = |bools: Vec<u8>| value::list(7, bools.len() as u64, bools);
    assert_eq!(
        windows(accepted("gemma3", |model| model.set(PATTERN, list(vec![0, 1, 0, 1, 0, 1, 0])))),
        [0, 1, 0, 1, 0, 1, 0]
    );
    refused("gemma3", |model| model.set(PATTERN, list(vec![1; 6])), Code::BadMetadata, "6 values for 7 layers");
    refused("gemma3", |model| model.set(PATTERN, value::u32(0)), Code::BadMetadata, PATTERN);
    assert_eq!(windows(accepted("gemma3", |model| model.unset("attention.sliding_window"))), [0; 7]);
    let config = accepted("gemma3", |model| model.set("rope.freq_base_swa", value::f32(5000.0)));
    assert_eq!(config.layers[0].rope_theta, 5000.0);
}

#[test]
fn gemma3_27b_scales_attention_by_its_width() {
    let mut model = model("gemma3");
    // 62 layers, and heads of another width than n_embd / n_heads.
    model.set("block_count", value::u32(62));
    model.set("attention.key_length", value::u32(16));
    model.set("attention.value_length", value::u32(16));
    model.set("attention.head_count", value::u32(2));
    model.tensors.clear();
    for role in Role::all()
        .filter(|role| ARCHITECTURES[2].required.contains(role) || !SPECIAL.contains(role) || *role == Role::TokenEmbd)
    {
        let shape = match role {
            Role::TokenEmbd => vec![64, 40],
            Role::AttnQ | Role::AttnK | Role::AttnV => vec![64, 32],
            Role::AttnOutput => vec![32, 64],
            Role::AttnQNorm | Role::AttnKNorm => vec![16],
            Role::FfnGate | Role::FfnUp => vec![64, 96],
            Role::FfnDown => vec![96, 64],
            _ => vec![64],
        };
        model.tensors.extend((0..if role.per_layer() { 62 } else { 1 }).map(|layer| (role.name(layer), shape.clone())));
    }
    assert_eq!(model.read().unwrap().attn_scale, 1.0 / 32f32.sqrt());
}

#[test]
fn the_vocabulary_has_the_last_word() {
    let tokens: Vec<String> = (0..40).map(|token| token.to_string()).collect();
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let config = accepted("llama", |model| {
        model.set("/tokenizer.ggml.tokens", value::texts(&tokens));
        model.set("vocab_size", value::u32(39));
    });
    assert_eq!(config.n_vocab, 40);
    assert_eq!(accepted("llama", |model| model.unset("vocab_size")).n_vocab, 40);
    refused(
        "llama",
        |model| model.set("/tokenizer.ggml.tokens", value::texts(&tokens[1..])),
        Code::BadShape,
        "token_embd.weight",
    );
    refused("llama", |model| model.set("/tokenizer.ggml.tokens", value::texts(&[])), Code::BadMetadata, "0 tokens");
    refused("llama", |model| model.set("vocab_size", value::u32(41)), Code::BadShape, "[64, 41]");
}

#[test]
fn unknown_architectures_and_features() {
    refused(
        "gpt-oss",
        |_| {},
        Code::UnsupportedArchitecture,
        "\"gpt-oss\" are not supported; these are: llama, qwen2, gemma3",
    );
    refused(
        "llama",
        |model| model.set("expert_count", value::u32(8)),
        Code::UnsupportedArchitecture,
        "mixture of experts",
    );
    refused(
        "llama",
        |model| model.set("attention.causal", value::bool(false)),
        Code::UnsupportedArchitecture,
        "embedding",
    );
    refused("llama", |model| model.set("/split.count", value::scalar(2, &[3, 0])), Code::BadMetadata, "one of 3 parts");
    for kind in ["yarn", "longrope", "?"] {
        refused(
            "qwen2",
            |model| model.set("rope.scaling.type", value::text(kind)),
            Code::UnsupportedArchitecture,
            kind,
        );
    }
    refused(
        "llama",
        |model| model.set("rope.scaling.attn_factor", value::f32(1.5)),
        Code::UnsupportedArchitecture,
        "amplitude",
    );
    refused(
        "llama",
        |model| model.set("attention.value_length", value::u32(32)),
        Code::UnsupportedArchitecture,
        "values of 32",
    );
    for length in [0, 15, 18, 260, 512] {
        refused(
            "llama",
            |model| model.set("attention.key_length", value::u32(length)),
            Code::UnsupportedArchitecture,
            "",
        );
    }
    let unscaled = accepted("llama", |model| {
        model.set("rope.scaling.type", value::text("none"));
        model.set("rope.scaling.factor", value::f32(4.0));
        model.set("expert_count", value::u32(0));
    });
    assert_eq!(unscaled.layers[0].rope_scale, 1.0);
    assert_eq!(accepted("llama", |model| model.set("rope.scale_linear", value::f32(2.0))).layers[0].rope_scale, 0.5);
}

#[test]
fn sizes_must_be_there_and_sane() {
    let keys = ["block_count", "context_length", "embedding_length", "feed_forward_length", "attention.head_count"];
    for key in keys {
        refused("llama", |model| model.unset(key), Code::BadMetadata, key);
        for size in [0, u32::MAX] {
            refused("llama", |model| model.set(key, value::u32(size)), Code::BadMetadata, key);
        }
        refused("llama", |model| model.set(key, value::text("7")), Code::BadMetadata, "text");
    }
    refused("llama", |model| model.set("attention.head_count_kv", value::u32(3)), Code::BadMetadata, "3 key heads");
    refused("llama", |model| model.set("attention.head_count_kv", value::u32(0)), Code::BadMetadata, "head_count_kv");
    refused("llama", |model| model.set("attention.head_count", value::u32(6)), Code::BadMetadata, "6 heads");
    refused("llama", |model| model.set("rope.dimension_count", value::u32(15)), Code::BadMetadata, "odd");
    refused("llama", |model| model.set("rope.dimension_count", value::u32(18)), Code::BadMetadata, "1 to 16");
    refused("llama", |model| model.unset("attention.layer_norm_rms_epsilon"), Code::BadMetadata, "epsilon");
    for epsilon in [-1.0, 0.0, f32::NAN, f32::INFINITY] {
        refused(
            "llama",
            |model| model.set("attention.layer_norm_rms_epsilon", value::f32(epsilon)),
            Code::BadMetadata,
            "epsilon",
        );
    }
    refused("llama", |model| model.set("rope.freq_base", value::f32(f32::NAN)), Code::BadMetadata, "freq_base");
    refused("llama", |model| model.set("rope.scaling.factor", value::f32(-2.0)), Code::BadMetadata, "factor");
    let mut nameless = Writer::new();
    nameless.key("general.name", value::text("x"));
    let (header, _) = HeaderParser::new().push(&nameless.header()).unwrap().unwrap();
    assert_eq!(ModelConfig::from_header(&header).unwrap_err().code, Code::BadMetadata);
}

#[test]
fn sizes_may_be_listed_by_layer() {
    let list =
        |values: &[i32]| value::list(5, values.len() as u64, values.iter().flat_map(|n| n.to_le_bytes()).collect());
    assert_eq!(accepted("llama", |model| model.set("attention.head_count_kv", list(&[2; 7]))).n_kv_heads, 2);
    refused(
        "llama",
        |model| model.set("attention.head_count", list(&[4; 6])),
        Code::BadMetadata,
        "6 values for 7 layers",
    );
    refused(
        "llama",
        |model| model.set("feed_forward_length", list(&[-1; 7])),
        Code::BadMetadata,
        "feed_forward_length",
    );
    let mut mixed = [96; 7];
    mixed[4] = 128;
    refused(
        "llama",
        |model| model.set("feed_forward_length", list(&mixed)),
        Code::UnsupportedArchitecture,
        "differs between layers",
    );
}

#[test]
fn every_tensor_counts() {
    for arch in ["llama", "qwen2", "gemma3"] {
        for index in 0..model(arch).tensors.len() {
            let mut broken = model(arch);
            let (name, _) = broken.tensors.remove(index);
            broken.fails(Code::MissingTensor, &name);
            let mut broken = model(arch);
            broken.tensors[index].1[0] += 32;
            broken.fails(Code::BadShape, &name);
            let mut broken = model(arch);
            broken.tensors[index].1.push(2);
            broken.fails(Code::BadShape, &name);
        }
    }
    // Dimensions of 1 are nothing.
    let config = accepted("llama", |model| model.tensors.iter_mut().for_each(|(_, shape)| shape.push(1)));
    assert_eq!(config, accepted("llama", |_| {}));
}

#[test]
fn optional_tensors_come_in_full() {
    refused(
        "llama",
        |model| model.tensors.push(("blk.2.attn_q.bias".into(), vec![64])),
        Code::MissingTensor,
        "blk.0.attn_q.bias",
    );
    refused("llama", |model| model.add(Role::AttnQBias), Code::MissingTensor, "blk.0.attn_k.bias");
    refused(
        "llama",
        |model| model.tensors.push(("output.weight".into(), vec![64, 41])),
        Code::BadShape,
        "output.weight",
    );
}

#[test]
fn unused_tensors_are_refused() {
    for name in [
        "blk.0.attn_output.bias",
        "blk.7.attn_q.weight",
        "output.bias",
        "blk.0.ffn_gate_inp.weight",
        "blk.00.attn_q.weight",
    ] {
        refused("llama", |model| model.tensors.push((name.into(), vec![32])), Code::UnsupportedArchitecture, name);
    }
    refused("qwen2", |model| model.add(Role::RopeFreqs), Code::UnsupportedArchitecture, "rope_freqs");
    refused("llama", |model| model.add(Role::AttnQNorm), Code::UnsupportedArchitecture, "attn_q_norm");
}

#[test]
fn rows_come_in_whole_blocks() {
    let narrow = |model: &mut Model| {
        model.set("feed_forward_length", value::u32(80));
        for (name, shape) in &mut model.tensors {
            match name.rsplit('.').nth(1) {
                Some("ffn_gate" | "ffn_up") => *shape = vec![64, 80],
                Some("ffn_down") => *shape = vec![80, 64],
                _ => {}
            }
        }
    };
    refused("llama", narrow, Code::BadShape, "multiples of 32");
}

#[test]
fn mutated_models_never_panic() {
    let mut random = Random(0x50770);
    let mut read = 0;
    for arch in ["llama", "qwen2", "gemma3"] {
        let good = model(arch).header();
        // Past the counts, up to the tensors: metadata, most of it sizes.
        let metadata = 24..good.windows(17).position(|bytes| bytes == b"token_embd.weight").unwrap();
        for _ in 0..2_000 {
            let mut header = good.clone();
            for _ in 0..1 + random.below(3) {
                let at = metadata.start + random.below(metadata.len());
                header[at] = [0, 1, 2, 0x7f, 0x80, 0xff, random.below(256) as u8][random.below(7)];
            }
            if let Ok(Some((header, _))) = HeaderParser::new().push(&header) {
                read += ModelConfig::from_header(&header).is_ok() as usize;
            }
        }
    }
    assert!(read > 100, "only {read} mutants were read");
}
