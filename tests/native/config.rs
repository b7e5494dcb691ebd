//! What keys and tensors must be like, whatever the architecture; what is refused.

use crate::common::described::{DESCRIBED, Model, accepted, model, refused};
use crate::common::gguf_writer::{Random, Writer, value};
use sotto::base::error::Code;
use sotto::file::gguf::HeaderParser;
use sotto::model::read;
use sotto::model::spec::{Gives, Net, Pooling};

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
        "grok",
        |_| {},
        Code::UnsupportedArchitecture,
        "\"grok\" are not supported; these are: afmoe, apertus, arcee, ",
    );
    let experts = |model: &mut Model| model.set("expert_count", value::u32(8));
    refused("qwen2", experts, Code::UnsupportedArchitecture, "mixture of experts");
    refused("llama", experts, Code::BadMetadata, "expert_used_count");
    let more = |model: &mut Model| {
        experts(model);
        model.set("expert_used_count", value::u32(9));
    };
    refused("llama", more, Code::BadMetadata, "is 9, not 1 to 8");
    let grouped = |model: &mut Model| {
        experts(model);
        model.set("expert_used_count", value::u32(3));
        model.set("expert_group_count", value::u32(4));
        model.set("expert_group_used_count", value::u32(1));
    };
    refused("llama", grouped, Code::BadMetadata, "cannot be chosen from 1 of 4 groups");
    let sees_all = |model: &mut Model| model.set("attention.causal", value::bool(false));
    let both = accepted("llama", sees_all);
    assert!(both.sees_ahead());
    assert_eq!(both.gives, Gives::States { pooling: Pooling::Mean, head: None, widened: None });
    refused("gemma3", sees_all, Code::UnsupportedArchitecture, "in a window");
    let pools = |model: &mut Model| model.set("pooling_type", value::u32(9));
    refused("llama", pools, Code::UnsupportedArchitecture, "way 9");
    let ranks = |model: &mut Model| model.set("pooling_type", value::u32(4));
    refused("llama", ranks, Code::MissingTensor, "cls.output.weight");
    let kind = |model: &mut Model| model.set("rope.scaling.type", value::text("su"));
    refused("qwen2", kind, Code::UnsupportedArchitecture, "su");
    refused("baichuan", |_| {}, Code::UnsupportedArchitecture, "how it knows positions");
    refused(
        "llama",
        |model| model.set("attention.value_length", value::u32(32)),
        Code::UnsupportedArchitecture,
        "values of 32",
    );
    for length in [0, 15, 18, 516, 1024] {
        refused(
            "llama",
            |model| model.set("attention.key_length", value::u32(length)),
            Code::UnsupportedArchitecture,
            "",
        );
    }
    let scale = |net: Net| net.blocks[0].attention().expect("attention").rope.scale;
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
    assert_eq!(read(&header.catalog).unwrap_err().code, Code::BadMetadata);
}

#[test]
fn sizes_may_be_listed_by_layer() {
    let list =
        |values: &[i32]| value::list(5, values.len() as u64, values.iter().flat_map(|n| n.to_le_bytes()).collect());
    let net = accepted("llama", |model| model.set("attention.head_count_kv", list(&[2; 7])));
    assert!(net.blocks.iter().all(|block| block.attention().expect("attention").n_kv_heads == 2));
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
    let sizes = net
        .blocks
        .iter()
        .map(|block| (block.attention().expect("attention").n_kv_heads, block.dense().expect("a network").n_ff));
    assert_eq!(sizes.collect::<Vec<_>>(), [[(2, 96); 4].as_slice(), &[(4, 128)], &[(2, 96); 2]].concat());
}

#[test]
fn every_tensor_counts() {
    for arch in DESCRIBED {
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
        "blk.0.attn_norm.bias",
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
fn mutated_models_never_panic() {
    let mut random = Random(0x50770);
    let mut sound = 0;
    for arch in DESCRIBED {
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
                sound += read(&header.catalog).is_ok() as usize;
            }
        }
    }
    assert!(sound > 100, "only {sound} mutants were read");
}
