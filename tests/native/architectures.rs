//! The network of each architecture: its defaults, and what its files may say.

use crate::common::described::{BIASES, COMMON, TENSORS, accepted, model, refused, required};
use crate::common::gguf_writer::value;
use sotto::base::error::Code;
use sotto::model::spec::{Activation, Attention, Mask, Net, Pairs, QkNorm, Rope, RopeFactors};

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
        stretch: None,
        mask: Mask::Causal,
        rope: Rope {
            dim: 16,
            pairs: Pairs::Adjacent,
            theta: 10_000.0,
            scale: 1.0,
            ramp: None,
            amplitude: 1.0,
            factors: true,
        },
        softcap: None,
        alibi: None,
        clamp: None,
        bias: false,
        output_bias: false,
        qk_norm: QkNorm::None,
        v_norm: false,
        values_are_keys: false,
        gated: false,
        gate_apart: false,
        sinks: false,
        keys_of: None,
        latent: None,
    };
    for block in &net.blocks {
        assert_eq!((block.attention().expect("attention"), block.post_norms), (&attention, false));
        assert_eq!(
            (block.dense().expect("a network").n_ff, block.dense().expect("a network").activation),
            (96, Activation::Silu)
        );
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
    assert_eq!(
        (net.tied_output, net.rope_factors, net.final_logit_softcap),
        (false, Some(RopeFactors::One(8)), Some(30.0))
    );
    let attention = net.blocks[6].attention().expect("attention");
    assert_eq!((attention.rope.theta, attention.rope.scale), (500_000.0, 0.25));
    assert_eq!((attention.bias, attention.mask), (true, Mask::Causal));
}

#[test]
fn qwen2_has_biases_and_neox() {
    let net = accepted("qwen2", |_| {});
    assert_eq!((net.blocks[0].attention().expect("attention").rope.pairs, net.tied_output), (Pairs::Halves, true));
    assert!(net.blocks.iter().all(|block| block.attention().expect("attention").bias));
    refused(
        "qwen2",
        |model| model.tensors.retain(|(name, _)| name != "blk.3.attn_k.bias"),
        Code::MissingTensor,
        "blk.3.attn_k.bias",
    );
}

#[test]
fn qwen3_has_head_norms_and_no_biases() {
    for tied in [true, false] {
        let net = accepted("qwen3", |model| {
            model.set("rope.freq_base", value::f32(1_000_000.0));
            if !tied {
                model.add("output.weight");
            }
        });
        assert_eq!((net.tied_output, net.embed_scale, net.rope_factors), (tied, 1.0, None));
        for block in &net.blocks {
            let attention = block.attention().expect("attention");
            assert_eq!((attention.qk_norm, attention.bias, block.post_norms), (QkNorm::Heads, false, false));
            assert_eq!(attention.mask, Mask::Causal);
            let (theta, scale) = (1_000_000.0, 1.0);
            let rope = Rope { dim: 16, pairs: Pairs::Halves, theta, scale, ramp: None, amplitude: 1.0, factors: true };
            assert_eq!((attention.rope, attention.scale), (rope, 0.25));
            assert_eq!(block.dense().expect("a network").activation, Activation::Silu);
        }
    }
    refused("qwen3", |model| model.add("blk.{}.attn_q.bias"), Code::UnsupportedArchitecture, "blk.0.attn_q.bias");
}

#[test]
fn gemma3_alternates() {
    let net = accepted("gemma3", |model| {
        model.set("rope.scaling.factor", value::f32(8.0));
    });
    assert_eq!((net.embed_scale, net.tied_output), (8.0, true));
    for (index, block) in net.blocks.iter().enumerate() {
        let attention = block.attention().expect("attention");
        let expected = if index == 5 { (1_000_000.0, 0.125, Mask::Causal) } else { (10_000.0, 1.0, Mask::Window(32)) };
        assert_eq!((attention.rope.theta, attention.rope.scale, attention.mask), expected, "layer {index}");
        assert_eq!((attention.qk_norm, attention.rope.pairs, block.post_norms), (QkNorm::Heads, Pairs::Halves, true));
        assert_eq!(block.dense().expect("a network").activation, Activation::GeluTanh);
    }
}

#[test]
fn gemma3_pattern_from_the_file() {
    let windows = |net: Net| -> Vec<u8> {
        net.blocks
            .iter()
            .map(|block| u8::from(block.attention().expect("attention").mask == Mask::Window(32)))
            .collect()
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
    assert_eq!(net.blocks[0].attention().expect("attention").rope.theta, 5000.0);
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
    assert_eq!(model.read().unwrap().blocks[0].attention().expect("attention").scale, 1.0 / 32f32.sqrt());
}

#[test]
fn rotation_is_stretched_as_the_file_says() {
    let net = accepted("llama", |model| {
        model.set("rope.scaling.type", value::text("yarn"));
        model.set("rope.scaling.factor", value::f32(4.0));
        model.set("rope.scaling.original_context_length", value::u32(512));
        model.set("rope.scaling.attn_factor", value::f32(0.5));
    });
    let rope = net.blocks[0].attention().expect("attention").rope;
    // 8 pairs: the pair that turns 32 times in 512 positions is at 0.8 = 16 ln(512 / 64π) / (2 ln 10000), once at 3.8.
    assert_eq!((rope.scale, rope.ramp), (0.25, Some((0.0, 4.0))));
    assert!((rope.amplitude - 0.5 * (0.1 * 4f32.ln() + 1.0)).abs() < 1e-6);
    let same = accepted("llama", |model| {
        model.set("rope.scaling.type", value::text("none"));
        model.set("rope.scaling.factor", value::f32(4.0));
    });
    assert_eq!(
        (
            same.blocks[0].attention().expect("attention").rope.scale,
            same.blocks[0].attention().expect("attention").rope.ramp
        ),
        (1.0, None)
    );
}

#[test]
fn a_residual_scale_is_that_of_the_stream() {
    let net = accepted("llama", |_| {}).with_residual_scale(0.5);
    assert_eq!((net.embed_scale, net.norm_eps), (2.0, 4e-5));
}
