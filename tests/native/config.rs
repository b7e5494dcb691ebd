//! Networks from headers: defaults, architectures, refusals.

use crate::common::gguf_writer::{Random, Writer, value};
use sotto::base::error::{Code, Error};
use sotto::file::gguf::HeaderParser;
use sotto::model;
use sotto::model::spec::{Activation, Attention, Mask, Net, Pairs, Rope};
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

/// Tensors of the models below: names in a layer, or in none, and shapes. The first [`COMMON`] belong to every model.
#[rustfmt::skip]
const TENSORS: [(&str, &[u64]); 20] = [
    ("token_embd.weight",                  &[64, 40]),
    ("output_norm.weight",                 &[64]),
    ("blk.{}.attn_norm.weight",            &[64]),
    ("blk.{}.attn_q.weight",               &[64, 64]),
    ("blk.{}.attn_k.weight",               &[64, 32]),
    ("blk.{}.attn_v.weight",               &[64, 32]),
    ("blk.{}.attn_output.weight",          &[64, 64]),
    ("blk.{}.ffn_norm.weight",             &[64]),
    ("blk.{}.ffn_gate.weight",             &[64, 96]),
    ("blk.{}.ffn_up.weight",               &[64, 96]),
    ("blk.{}.ffn_down.weight",             &[96, 64]),
    ("output.weight",                      &[64, 40]),
    ("rope_freqs.weight",                  &[8]),
    ("blk.{}.attn_q.bias",                 &[64]),
    ("blk.{}.attn_k.bias",                 &[32]),
    ("blk.{}.attn_v.bias",                 &[32]),
    ("blk.{}.attn_q_norm.weight",          &[16]),
    ("blk.{}.attn_k_norm.weight",          &[16]),
    ("blk.{}.post_attention_norm.weight",  &[64]),
    ("blk.{}.post_ffw_norm.weight",        &[64]),
];
const COMMON: usize = 11;
const BIASES: [&str; 3] = ["blk.{}.attn_q.bias", "blk.{}.attn_k.bias", "blk.{}.attn_v.bias"];

/// What an architecture wants beyond that.
fn required(arch: &str) -> Vec<&'static str> {
    match arch {
        "qwen2" => BIASES.to_vec(),
        "gemma3" => TENSORS[16..].iter().map(|(name, _)| *name).collect(),
        _ => Vec::new(),
    }
}

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
        tensors: Vec::new(),
    };
    TENSORS[..COMMON].iter().for_each(|(name, _)| model.add(name));
    if arch == "gemma3" {
        model.set("attention.sliding_window", value::u32(32));
    }
    required(arch).into_iter().for_each(|name| model.add(name));
    model
}

impl Model {
    /// A tensor of [`TENSORS`], in every layer where it is a layer's.
    fn add(&mut self, name: &str) {
        let (_, shape) = TENSORS.iter().find(|(known, _)| *known == name).expect(name);
        let layers = if name.contains("{}") { self.layers() } else { 1 };
        for layer in 0..layers {
            self.tensors.push((name.replace("{}", &layer.to_string()), shape.to_vec()));
        }
    }

    fn layers(&self) -> u32 {
        let (_, (_, bytes)) = self.keys.iter().find(|(key, _)| *key == "block_count").expect("a number of layers");
        u32::from_le_bytes(bytes[..].try_into().expect("four bytes"))
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

    fn read(&self) -> Result<Net, Error> {
        let (header, _) = HeaderParser::new().push(&self.header()).unwrap().unwrap();
        model::read(&header.catalog)
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

fn accepted(arch: &'static str, change: impl FnOnce(&mut Model)) -> Net {
    let mut model = model(arch);
    change(&mut model);
    model.read().unwrap()
}

#[test]
fn llama_with_defaults() {
    let net = accepted("llama", |_| {});
    assert_eq!((net.arch, net.blocks.len(), net.n_embd, net.n_vocab), ("llama", 7, 64, 40));
    assert_eq!((net.context_length, net.norm_eps, net.embed_scale), (2048, 1e-5, 1.0));
    assert_eq!((net.tied_output, net.rope_factors, net.final_logit_softcap), (true, None, None));
    let attention = Attention {
        n_heads: 4,
        n_kv_heads: 2,
        head_dim: 16,
        scale: 0.25,
        mask: Mask::Causal,
        rope: Rope { dim: 16, pairs: Pairs::Adjacent, theta: 10_000.0, scale: 1.0 },
        softcap: None,
        bias: false,
        qk_norm: false,
    };
    for block in &net.blocks {
        assert_eq!((block.attention(), block.post_norms), (&attention, false));
        assert_eq!((block.dense().n_ff, block.dense().activation), (96, Activation::Silu));
    }
    assert_eq!((attention.q_dim(), attention.kv_dim()), (64, 32));
}

#[test]
fn llama_with_everything() {
    let net = accepted("llama", |model| {
        ["output.weight", "rope_freqs.weight"].into_iter().chain(BIASES).for_each(|name| model.add(name));
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
    assert_eq!((net.tied_output, net.rope_factors, net.final_logit_softcap), (false, Some(8), Some(30.0)));
    let attention = net.blocks[6].attention();
    assert_eq!((attention.rope.theta, attention.rope.scale), (500_000.0, 0.25));
    assert_eq!((attention.bias, attention.mask), (true, Mask::Causal));
}

#[test]
fn qwen2_has_biases_and_neox() {
    let net = accepted("qwen2", |_| {});
    assert_eq!((net.blocks[0].attention().rope.pairs, net.tied_output), (Pairs::Halves, true));
    assert!(net.blocks.iter().all(|block| block.attention().bias));
    refused(
        "qwen2",
        |model| model.tensors.retain(|(name, _)| name != "blk.3.attn_k.bias"),
        Code::MissingTensor,
        "blk.3.attn_k.bias",
    );
}

#[test]
fn gemma3_alternates() {
    let net = accepted("gemma3", |model| {
        model.set("rope.scaling.factor", value::f32(8.0));
    });
    assert_eq!((net.embed_scale, net.tied_output), (8.0, true));
    for (index, block) in net.blocks.iter().enumerate() {
        let attention = block.attention();
        let expected = if index == 5 { (1_000_000.0, 0.125, Mask::Causal) } else { (10_000.0, 1.0, Mask::Window(32)) };
        assert_eq!((attention.rope.theta, attention.rope.scale, attention.mask), expected, "layer {index}");
        assert!(attention.qk_norm && attention.rope.pairs == Pairs::Halves && block.post_norms);
        assert_eq!(block.dense().activation, Activation::GeluTanh);
    }
}

#[test]
fn gemma3_pattern_from_the_file() {
    let windows = |net: Net| -> Vec<u8> {
        net.blocks.iter().map(|block| u8::from(block.attention().mask == Mask::Window(32))).collect()
    };
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
    let net = accepted("gemma3", |model| model.set("rope.freq_base_swa", value::f32(5000.0)));
    assert_eq!(net.blocks[0].attention().rope.theta, 5000.0);
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
    TENSORS[..COMMON].iter().map(|(name, _)| *name).chain(required("gemma3")).for_each(|name| model.add(name));
    for (name, shape) in &mut model.tensors {
        match name.rsplit('.').nth(1) {
            Some("attn_q") => shape[1] = 32,
            Some("attn_output") => shape[0] = 32,
            _ => {}
        }
    }
    assert_eq!(model.read().unwrap().blocks[0].attention().scale, 1.0 / 32f32.sqrt());
}

#[test]
fn the_vocabulary_has_the_last_word() {
    let tokens: Vec<String> = (0..40).map(|token| token.to_string()).collect();
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let net = accepted("llama", |model| {
        model.set("/tokenizer.ggml.tokens", value::texts(&tokens));
        model.set("vocab_size", value::u32(39));
    });
    assert_eq!(net.n_vocab, 40);
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
        "\"gpt-oss\" are not supported; these are: gemma3, llama, qwen2",
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
    let scale = |net: Net| net.blocks[0].attention().rope.scale;
    let unscaled = accepted("llama", |model| {
        model.set("rope.scaling.type", value::text("none"));
        model.set("rope.scaling.factor", value::f32(4.0));
        model.set("expert_count", value::u32(0));
    });
    assert_eq!(scale(unscaled), 1.0);
    assert_eq!(scale(accepted("llama", |model| model.set("rope.scale_linear", value::f32(2.0)))), 0.5);
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
    assert_eq!(model::read(&header.catalog).unwrap_err().code, Code::BadMetadata);
}

#[test]
fn sizes_may_be_listed_by_layer() {
    let list =
        |values: &[i32]| value::list(5, values.len() as u64, values.iter().flat_map(|n| n.to_le_bytes()).collect());
    let net = accepted("llama", |model| model.set("attention.head_count_kv", list(&[2; 7])));
    assert!(net.blocks.iter().all(|block| block.attention().n_kv_heads == 2));
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
    // Layers may differ: the fifth is wider, and has a head for each of its queries.
    let mixed = |model: &mut Model| {
        model.set("feed_forward_length", list(&[96, 96, 96, 96, 128, 96, 96]));
        model.set("attention.head_count_kv", list(&[2, 2, 2, 2, 4, 2, 2]));
    };
    refused("llama", mixed, Code::BadShape, "blk.4.attn_k.weight has the shape [64, 32]");
    let net = accepted("llama", |model| {
        mixed(model);
        for (name, shape) in &mut model.tensors {
            match name.strip_prefix("blk.4.") {
                Some("attn_k.weight" | "attn_v.weight") => shape[1] = 64,
                Some("ffn_gate.weight" | "ffn_up.weight") => shape[1] = 128,
                Some("ffn_down.weight") => shape[0] = 128,
                _ => {}
            }
        }
    });
    let sizes = net.blocks.iter().map(|block| (block.attention().n_kv_heads, block.dense().n_ff));
    assert_eq!(sizes.collect::<Vec<_>>(), [[(2, 96); 4].as_slice(), &[(4, 128)], &[(2, 96); 2]].concat());
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
    let net = accepted("llama", |model| model.tensors.iter_mut().for_each(|(_, shape)| shape.push(1)));
    assert_eq!(net, accepted("llama", |_| {}));
}

#[test]
fn optional_tensors_come_in_full() {
    refused(
        "llama",
        |model| model.tensors.push(("blk.2.attn_q.bias".into(), vec![64])),
        Code::MissingTensor,
        "blk.0.attn_q.bias",
    );
    refused("llama", |model| model.add("blk.{}.attn_q.bias"), Code::MissingTensor, "blk.0.attn_k.bias");
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
    refused("qwen2", |model| model.add("rope_freqs.weight"), Code::UnsupportedArchitecture, "rope_freqs");
    refused("llama", |model| model.add("blk.{}.attn_q_norm.weight"), Code::UnsupportedArchitecture, "attn_q_norm");
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
                read += model::read(&header.catalog).is_ok() as usize;
            }
        }
    }
    assert!(read > 100, "only {read} mutants were read");
}
