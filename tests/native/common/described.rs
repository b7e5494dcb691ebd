//! Models as lists of keys and tensors, which a test may change before they are written and read.

use super::gguf_writer::{Writer, value};
use sotto::base::error::{Code, Error};
use sotto::file::gguf::HeaderParser;
use sotto::model;
use sotto::model::spec::Net;
use sotto::quant::TensorType;

type Pair = (&'static str, (u32, Vec<u8>));
type Tensor = (String, Vec<u64>);

/// A model as lists of keys and tensors that a test may change before it is written.
pub struct Model {
    arch: &'static str,
    keys: Vec<Pair>,
    pub tensors: Vec<Tensor>,
}

const LAYERS: u32 = 7;

/// Tensors of the models below: names in a layer, or in none, and shapes. The first [`COMMON`] belong to every model.
#[rustfmt::skip]
pub const TENSORS: [(&str, &[u64]); 20] = [
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
pub const COMMON: usize = 11;
pub const BIASES: [&str; 3] = ["blk.{}.attn_q.bias", "blk.{}.attn_k.bias", "blk.{}.attn_v.bias"];

/// Architectures whose whole models are described here; of the others `archs.rs` has files.
pub const DESCRIBED: [&str; 4] = ["llama", "qwen2", "qwen3", "gemma3"];

/// What an architecture wants beyond that.
pub fn required(arch: &str) -> Vec<&'static str> {
    match arch {
        "qwen2" => BIASES.to_vec(),
        "qwen3" => vec!["blk.{}.attn_q_norm.weight", "blk.{}.attn_k_norm.weight"],
        "gemma3" => TENSORS[16..].iter().map(|(name, _)| *name).collect(),
        _ => Vec::new(),
    }
}

/// 64 wide, 4 heads of 16 with 2 key heads, 96 inside the feed-forward network, 40 tokens.
pub fn model(arch: &'static str) -> Model {
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
    pub fn add(&mut self, name: &str) {
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

    pub fn set(&mut self, key: &'static str, value: (u32, Vec<u8>)) {
        self.unset(key);
        self.keys.push((key, value));
    }

    pub fn unset(&mut self, key: &str) {
        self.keys.retain(|(other, _)| *other != key);
    }

    pub fn header(&self) -> Vec<u8> {
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

    pub fn read(&self) -> Result<Net, Error> {
        let (header, _) = HeaderParser::new().push(&self.header()).unwrap().unwrap();
        model::read(&header.catalog)
    }

    #[track_caller]
    pub fn fails(&self, code: Code, says: &str) {
        let error = self.read().expect_err("must be refused");
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains(says), "{error} does not say {says:?}");
    }
}

/// What a change to a good model of an architecture leads to.
#[track_caller]
pub fn refused(arch: &'static str, change: impl FnOnce(&mut Model), code: Code, says: &str) {
    let mut model = model(arch);
    change(&mut model);
    model.fails(code, says);
}

pub fn accepted(arch: &'static str, change: impl FnOnce(&mut Model)) -> Net {
    let mut model = model(arch);
    change(&mut model);
    model.read().unwrap()
}
