//! Files that must be refused, each with the error codes that fit (`error.code` in JavaScript).

use super::gguf::{Gguf, Value};

/// One spoiled file: a row of [`FILES`].
pub struct Bad {
    pub name: &'static str,
    /// Any of these is right; the first one is the best.
    pub codes: &'static [&'static str],
    spoil: Spoil,
}

#[derive(Clone, Copy)]
enum Spoil {
    /// Changes the model before it is written.
    Model(fn(&mut Gguf)),
    /// Changes the file's bytes.
    Bytes(fn(&mut Vec<u8>)),
}

use Spoil::{Bytes, Model};

const fn bad(name: &'static str, codes: &'static [&'static str], spoil: Spoil) -> Bad {
    Bad { name, codes, spoil }
}

// Byte offsets in the file: magic 0, version 4, tensor count 8, key count 16, first key's length 24.
#[rustfmt::skip]
pub const FILES: &[Bad] = &[
    bad("bad-magic",              &["not_gguf"],                     Bytes(|b| b[..4].copy_from_slice(b"GGML"))),
    bad("bad-html",               &["not_gguf"],                     Bytes(|b| *b = b"<!doctype html><title>Not found</title>".to_vec())),
    bad("bad-empty",              &["truncated", "not_gguf"],        Bytes(Vec::clear)),
    bad("bad-version-1",          &["unsupported_version"],          Model(|f| f.version = 1)),
    bad("bad-version-99",         &["unsupported_version"],          Model(|f| f.version = 99)),
    bad("bad-big-endian",         &["unsupported_version"],          Bytes(|b| b[4..8].reverse())),
    bad("bad-cut-header",         &["truncated"],                    Bytes(|b| b.truncate(700))),
    bad("bad-cut-data",           &["truncated"],                    Bytes(|b| b.truncate(b.len() - 5000))),
    bad("bad-tensor-count",       &["bad_header"],                   Bytes(|b| put_u64(b, 8, u64::MAX))),
    bad("bad-key-count",          &["bad_header"],                   Bytes(|b| put_u64(b, 16, 1 << 60))),
    bad("bad-key-length",         &["bad_header"],                   Bytes(|b| put_u64(b, 24, u64::MAX - 3))),
    bad("bad-key-not-utf8",       &["bad_header"],                   Bytes(|b| b[33] = 0xff)),
    bad("bad-value-type",         &["bad_header"],                   Model(|f| f.set("x", Value::Raw(77, vec![0; 8])))),
    bad("bad-array-length",       &["bad_header"],                   Model(|f| f.set("x", Value::Raw(9, array(4, u64::MAX))))),
    bad("bad-array-of-arrays",    &["bad_header"],                   Model(|f| f.set("x", Value::Raw(9, array(9, 0))))),
    bad("bad-duplicate-tensor",   &["bad_header"],                   Model(|f| f.tensors[2].name = f.tensors[1].name.clone())),
    bad("bad-overlap",            &["bad_header"],                   Model(|f| f.tensors[2].offset = Some(0))),
    bad("bad-misaligned",         &["bad_header"],                   Model(|f| f.tensors[0].offset = Some(4))),
    bad("bad-offset-outside",     &["truncated", "bad_header"],      Model(|f| f.tensors[2].offset = Some(1 << 40))),
    bad("bad-offset-overflow",    &["bad_header"],                   Model(|f| f.tensors[2].offset = Some(u64::MAX - 31))),
    bad("bad-shape-overflow",     &["bad_header"],                   Model(|f| f.tensors[0].shape = vec![1 << 40, 1 << 40])),
    bad("bad-dimensions",         &["bad_header"],                   Model(|f| f.tensors[0].shape = vec![64, 1, 1, 1, 1])),
    bad("bad-tensor-type",        &["unsupported_tensor_type"],      Model(|f| f.tensors[0].kind_id = 99)),
    bad("bad-architecture",       &["unsupported_architecture"],     Model(|f| f.set("general.architecture", text("mamba9")))),
    bad("bad-adapter",            &["not_a_model"],                  Model(|f| f.set("general.type", text("adapter")))),
    bad("bad-imatrix",            &["not_a_model"],                  Model(|f| f.set("general.type", text("imatrix")))),
    bad("bad-no-architecture",    &["bad_metadata"],                 Model(|f| f.remove("general.architecture"))),
    bad("bad-architecture-type",  &["bad_metadata"],                 Model(|f| f.set("general.architecture", Value::U32(7)))),
    bad("bad-no-layers-key",      &["bad_metadata"],                 Model(|f| f.remove("llama.block_count"))),
    bad("bad-layers-huge",        &["bad_metadata", "missing_tensor"], Model(|f| f.set("llama.block_count", Value::U32(u32::MAX)))),
    bad("bad-no-heads",           &["bad_metadata"],                 Model(|f| f.set("llama.attention.head_count", Value::U32(0)))),
    bad("bad-kv-heads",           &["bad_metadata"],                 Model(|f| f.set("llama.attention.head_count_kv", Value::U32(3)))),
    bad("bad-epsilon",            &["bad_metadata"],                 Model(|f| f.set("llama.attention.layer_norm_rms_epsilon", Value::F32(f32::NAN)))),
    bad("bad-rope-scaling",       &["bad_metadata", "unsupported_architecture"], Model(|f| f.set("llama.rope.scaling.type", text("spiral")))),
    bad("bad-missing-tensor",     &["missing_tensor"],               Model(|f| f.tensors.retain(|t| t.name != "blk.1.ffn_up.weight"))),
    bad("bad-missing-embedding",  &["missing_tensor"],               Model(|f| f.tensors.retain(|t| t.name != "token_embd.weight"))),
    bad("bad-shape",              &["bad_shape"],                    Model(|f| f.tensor("blk.1.ffn_up.weight").shape.reverse())),
    bad("bad-norm-shape",         &["bad_shape"],                    Model(shorten_norm)),
    bad("bad-vocabulary-size",    &["bad_shape", "bad_metadata"],    Model(drop_last_token)),
    bad("bad-tokenizer",          &["unsupported_tokenizer"],        Model(|f| f.set("tokenizer.ggml.model", text("clairvoyant")))),
    bad("bad-merges",             &["unsupported_tokenizer", "bad_metadata"], Model(|f| f.set("tokenizer.ggml.merges", Value::Strings(vec!["xy".into()])))),
    bad("bad-template",           &["bad_template"],                 Model(|f| f.set("tokenizer.chat_template", text("{% for x in %}{{ x")))),
    bad("bad-template-raises",    &["bad_template"],                 Model(|f| f.set("tokenizer.chat_template", text("{{ raise_exception('roles must alternate') }}")))),
    bad("bad-no-template",        &["no_template"],                  Model(|f| f.remove("tokenizer.chat_template"))),
    bad("bad-weights-nan",        &["bad_logits"],                   Model(|f| f.tensor("output_norm.weight").data[..4].copy_from_slice(&f32::NAN.to_le_bytes()))),
];

/// The named file: `llama-f32`, spoiled.
pub fn build(name: &str) -> Option<Vec<u8>> {
    let bad = FILES.iter().find(|f| f.name == name)?;
    let mut model = super::assemble(&super::MODELS[0]);
    if let Model(spoil) = bad.spoil {
        spoil(&mut model);
    }
    let mut bytes = model.to_bytes();
    if let Bytes(spoil) = bad.spoil {
        spoil(&mut bytes);
    }
    Some(bytes)
}

fn text(s: &str) -> Value {
    Value::Str(s.into())
}

fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// An array's element type and length, without elements.
fn array(element: u32, len: u64) -> Vec<u8> {
    [&element.to_le_bytes()[..], &len.to_le_bytes()[..]].concat()
}

/// A sound file whose last norm has half the elements.
fn shorten_norm(file: &mut Gguf) {
    let norm = file.tensor("output_norm.weight");
    norm.shape[0] /= 2;
    norm.data.truncate(norm.data.len() / 2);
}

/// Leaves the vocabulary one token short of the embedding table.
fn drop_last_token(file: &mut Gguf) {
    for (key, value) in &mut file.metadata {
        match (key.as_str(), value) {
            ("tokenizer.ggml.tokens", Value::Strings(tokens)) => drop(tokens.pop()),
            ("tokenizer.ggml.token_type", Value::Ints(types)) => drop(types.pop()),
            _ => {}
        }
    }
}
