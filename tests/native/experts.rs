//! Mixtures of experts, but for what they compute (`archs.rs`): what a token reads, in how many dispatches, and weights in
//! any types and parts.

use crate::common::run::{decode, largest_difference, load, on_both_backends, prefill, rows};
use crate::common::twin::{Layout, PLAIN, Twin};
use pollster::block_on;
use sotto::base::error::Code;
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::eval::{self, total};
use sotto::kernels::face::Face;
use sotto::kernels::table::{matmul_experts, matvec_experts};
use sotto::model::forward::Shape;
use sotto::quant::{self, TensorType};
use sotto::run::batch::Batch;
use sotto::run::loader::LoadOptions;
use tiny_models::archs::{ROWS, Row};
use tiny_models::gguf::{self, Gguf, Rng, Value};

on_both_backends!(
    a_token_reads_the_experts_that_it_takes_and_no_others,
    types_of_experts_may_differ,
    routers_and_biases_that_are_no_numbers_are_told,
);

pub fn row(name: &str) -> &'static Row {
    ROWS.iter().find(|row| row.name == name).expect("a tiny model")
}

fn options(backend: Backend) -> LoadOptions {
    LoadOptions { backend, kv: KvType::F32, max_rows: Some(16), context: Some(64), ..Default::default() }
}

fn a_token_reads_the_experts_that_it_takes_and_no_others(backend: Backend) {
    for (name, used, count) in [("llama/experts", 2, 5), ("qwen3moe/many", 8, 70), ("qwen2moe", 4, 16)] {
        let file = row(name).assemble();
        let engine = load(&file.to_bytes(), options(backend)).expect("a model");
        let recording = engine.model.record(engine.decode_shape(0)).expect("a recording");
        let reads = total(&engine.device, &engine.model, &recording, 0..1).weights;
        let bytes = |wanted: fn(&str) -> bool| -> usize {
            let tensors = file.tensors.iter().filter(|tensor| wanted(&tensor.name));
            tensors.map(|tensor| tensor.data.len()).sum()
        };
        let experts = bytes(|name| name.contains("_exps."));
        let tied = engine.model.net.tied_output;
        let others = bytes(|name| !name.contains("_exps.") && name != "token_embd.weight");
        let embedding = bytes(|name| name == "token_embd.weight");
        let row = embedding / engine.model.net.n_vocab as usize;
        let want = experts / count * used + others + row + if tied { embedding } else { 0 };
        // Matrices are filled up to four rows, buffers to 16 bytes.
        let of = reads as f64 / want as f64;
        assert!((of - 1.0).abs() < 0.006, "{name}: {reads} bytes, not {want}");
        // All of them when a prompt's rows take all.
        let prompt = engine.model.record(Shape::new(16, 1, true, 15)).expect("a recording");
        let all = total(&engine.device, &engine.model, &prompt, 0..16).weights;
        let more = (experts - experts / count * used + 15 * row) as f64;
        assert!(((all - reads) as f64 / more - 1.0).abs() < 0.006, "{name}: {all} bytes of a prompt");
    }
}

#[test]
fn choosing_and_mixing_takes_at_most_eight_dispatches() {
    let count = |name: &str, shape| {
        let twin = Twin::new(&row(name).assemble().to_bytes(), Layout::default());
        let recording = twin.model.record(shape).expect("a recording");
        (recording.dispatches.len() - 2) / twin.model.net.blocks.len()
    };
    // Three of attention, and the router, the choice, gate and up, down.
    assert_eq!(count("qwen3moe", Shape::decode(0)), 3 + 4);
    // Besides, one for all tokens: gate and up, down. V's few rows begin on no whole unit here: a product by themselves.
    assert_eq!(count("hunyuan-moe", Shape::decode(0)), 4 + 6);
    // Rotation and attention to sinks apart, and the experts' gates, whose biases keep them from being fused.
    assert_eq!(count("gpt-oss", Shape::decode(0)), 4 + 5);
    // And a gate of its own, by which it is weighed and added.
    assert_eq!(count("qwen2moe", Shape::decode(0)), 3 + 8);
}

/// What a model's logits are after a prompt of some chunks, and then of tokens one and two at a time.
fn logits(twin: &mut Twin) -> Vec<f32> {
    let tokens: Vec<u32> = (0..40).map(|i| i * 37 % twin.model.net.n_vocab).collect();
    let sequence = twin.model.kv().sequences()[0].id.0;
    let mut found = Vec::new();
    for (range, prefill) in [(0..33, true), (33..37, true), (37..38, false), (38..40, false)] {
        let rows = rows(&tokens[range.clone()], range.start as u32, sequence, |_| true);
        found.extend(twin.forward(&Batch { rows, prefill }));
    }
    found
}

#[test]
fn experts_in_several_parts_give_the_same() {
    let file = row("qwen3moe/many").assemble().to_bytes();
    let mut whole = Twin::new(&file, Layout::default());
    let want = logits(&mut whole);
    // An expert's gate and up are 24 kB, and all 70 are 1.7 MB.
    for max_binding in [1 << 20, 200_000, 40_000] {
        let mut cut = Twin::new(&file, Layout { max_binding, choice: PLAIN, ..Default::default() });
        let recording = cut.model.record(Shape::decode(0)).expect("a recording");
        let by_experts = |d: &&sotto::device::recording::Dispatch| matvec_experts::Variant::of(d.variant).is_some();
        let parts = recording.dispatches.iter().filter(by_experts).count();
        assert!(parts > 2 * cut.model.net.blocks.len(), "{max_binding}: {parts} dispatches");
        let prompt = cut.model.record(Shape::new(9, 0, true, 8)).expect("a recording");
        assert!(prompt.dispatches.iter().any(|d| matmul_experts::Variant::of(d.variant).is_some()));
        let error = largest_difference(&want, &logits(&mut cut));
        assert!(error < 1e-4, "{max_binding}: {error:e}");
    }
}

/// The file with experts in these types, and the same numbers as F32.
pub fn of_types(name: &str, types: [&str; 3]) -> [Gguf; 2] {
    let (mut file, mut floats) = (row(name).assemble(), row(name).assemble());
    for tensor in floats.tensors.iter_mut().filter(|tensor| tensor.name.contains("_exps.")) {
        let which = ["gate", "up", "down"].iter().position(|kind| tensor.name.contains(kind)).expect("a kind");
        let kind = gguf::kind(types[which]).expect("a type");
        let n = tensor.shape.iter().product::<u64>() as usize;
        let weights = gguf::random_weights(kind, n, 0.1, &mut Rng::named(&tensor.name));
        let mut numbers = vec![0.0f32; n];
        let ours = TensorType::from_ggml(kind.id).expect("a type");
        quant::dequantize(ours, &weights, &mut numbers);
        tensor.data = bytemuck::cast_slice(&numbers).to_vec();
        let packed = file.tensor(&tensor.name);
        (packed.kind_id, packed.data) = (kind.id, weights);
    }
    [file, floats]
}

fn types_of_experts_may_differ(backend: Backend) {
    for types in [["q4_0"; 3], ["q8_0", "q4_1", "q5_0"], ["mxfp4"; 3], ["f16", "f16", "bf16"]] {
        let [mixed, floats] = of_types("qwen3moe", types).map(|file| {
            let mut engine = load(&file.to_bytes(), options(backend)).expect("a model");
            let tokens: Vec<u32> = (0..21).collect();
            [prefill(&mut engine, &tokens, 16), decode(&mut engine, &tokens[..5])].concat()
        });
        let error = largest_difference(&floats, &mixed);
        assert!(error < 2e-3, "{types:?}: {error:e}");
    }
}

fn routers_and_biases_that_are_no_numbers_are_told(backend: Backend) {
    for (name, tensor) in [
        ("qwen3moe", "blk.1.ffn_gate_inp.weight"),
        ("qwen2moe", "blk.1.ffn_gate_inp_shexp.weight"),
        ("dots1", "blk.1.ffn_gate_inp.weight"),
        ("glm4moe", "blk.1.exp_probs_b.bias"),
    ] {
        let mut file = row(name).assemble();
        file.tensor(tensor).data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        let mut engine = load(&file.to_bytes(), options(backend)).expect("a model");
        let error = block_on(eval::score(&mut engine, "hello there")).unwrap_err();
        assert_eq!(error.code, Code::BadLogits, "{name}: {tensor}");
    }
}

#[test]
fn experts_that_no_part_has_room_for_are_refused_by_their_width() {
    for (name, key) in [("qwen3moe", "expert_feed_forward_length"), ("olmoe", "feed_forward_length")] {
        let key = format!("{name}.{key}");
        let mut file = row(name).assemble();
        file.set(&key, Value::U32((1 << 18) + 1));
        let error = load(&file.to_bytes(), options(Backend::Cpu)).err().expect("an error");
        assert_eq!(error.code, Code::BadMetadata);
        assert!(error.message.starts_with(&format!("The metadata key {key:?} is 262145, not 1 to 262144;")), "{error}");
    }
}

#[test]
fn layers_that_are_counted_off_are_fewer_than_there_are() {
    for (name, key, count, most) in [
        ("glm4moe/ahead", "glm4moe.nextn_predict_layers", 5, 4),
        ("glm4moe/ahead", "glm4moe.nextn_predict_layers", u32::MAX, 4),
        ("qwen3moe", "qwen3moe.nextn_predict_layers", 3, 2),
        ("dots1", "dots1.leading_dense_block_count", 3, 2),
        ("glm4moe/ahead", "glm4moe.leading_dense_block_count", u32::MAX, 3),
    ] {
        let mut file = row(name).assemble();
        file.set(key, Value::U32(count));
        let error = load(&file.to_bytes(), options(Backend::Cpu)).err().expect("an error");
        assert_eq!(error.code, Code::BadMetadata);
        let says = format!("The metadata key \"{key}\" is {count}, not 0 to {most};");
        assert!(error.message.starts_with(&says), "{error}");
    }
}
