//! The tiny models are the same bytes everywhere, and what their table promises.

use tiny_models as tiny;
use tiny_models::gguf::{QUANTIZED, fnv1a};

/// Regenerate the goldens (`tests/golden/README.md`) whenever one of these changes.
#[rustfmt::skip]
const HASHES: &[(&str, u64)] = &[
    ("llama-f32", 0x73f8b5a3584ef457),
    ("llama-f16", 0xd5d4fa45e92ad047),
    ("llama-bf16", 0x2ac76e457dbd0331),
    ("llama-spm-f32", 0xf9111910dade9a9b),
    ("llama-linear-f32", 0xcc15ccd765775c3d),
    ("llama-uneven-f32", 0x949f_d45e_456c_f61f),
    ("llama3-f32", 0xb22f388d98130778),
    ("qwen2-f32", 0x09f468f284f95e48),
    ("qwen2-f16", 0xe7f45d1fa2a30392),
    ("qwen3-f32", 0x6671074d367a2190),
    ("qwen3-f16", 0x0de7719a084b9956),
    ("gemma3-f32", 0xeb735be1a683cb4d),
    ("gemma3-f16", 0x3bed576658e2ca14),
    ("gemma3-linear-f32", 0x954e3e439570fd72),
    ("gemma3-softcap-f32", 0xbc4ba0f8ca081d50),
    ("llama-q4_0", 0xb2a1e150af24aedd),
    ("llama-q4_1", 0xb6d53e2eeecaf94b),
    ("llama-q5_0", 0x3d2c4a43f502ff42),
    ("llama-q5_1", 0x9154ed9c4cb95c07),
    ("llama-q8_0", 0x7cc4b586de2e4625),
    ("llama-q2_k", 0xb252c3f2eeb2ff19),
    ("llama-q3_k", 0x7e751cc5f6bae5f5),
    ("llama-q4_k", 0xa62407f42fb581fa),
    ("llama-q5_k", 0x77416dfecc0c40ef),
    ("llama-q6_k", 0xc4a04242853b7a72),
    ("llama-mixed", 0xfc2e054905beeb26),
    ("llama-coded", 0xfaf1766d25ac26ef),
    ("qwen2-mixed", 0x526f5fade60ed698),
    ("qwen3-mixed", 0x74329af2ba0436a3),
    ("gemma3-mixed", 0x0af0fdc910e9cfb4),
];

#[test]
fn models_are_reproducible() {
    let found: Vec<_> = tiny::MODELS.iter().map(|m| (m.name, fnv1a(&tiny::build(m.name).unwrap()))).collect();
    let lines: String = found.iter().map(|(name, hash)| format!("    ({name:?}, {hash:#018x}),\n")).collect();
    assert!(found == *HASHES, "the files changed; they are now:\n{lines}");
}

#[test]
fn quantized_models_hold_every_type_in_every_role() {
    let mut seen = std::collections::BTreeSet::new();
    for spec in tiny::MODELS {
        for tensor in tiny::assemble(&spec).tensors {
            let role = tensor.name.trim_end_matches(".weight").rsplit('.').next().unwrap().to_string();
            seen.insert((role, tensor.kind_id));
        }
    }
    let roles = ["token_embd", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down", "output"];
    for role in roles {
        for kind in QUANTIZED.iter().chain([&tiny::gguf::F32, &tiny::gguf::F16, &tiny::gguf::BF16]) {
            assert!(seen.contains(&(role.to_string(), kind.id)), "no {role} is {}", kind.name);
        }
    }
}

#[test]
fn bad_files_differ_from_the_good_one() {
    let good = tiny::build("llama-f32").unwrap();
    for bad in tiny::bad::FILES {
        assert!(!bad.codes.is_empty());
        assert_ne!(tiny::bad::build(bad.name).unwrap(), good, "{}", bad.name);
    }
}
