//! Networks that no file describes, made of a tiny model's weights: masks, joins, and what passes take of memory.

use std::collections::BTreeMap;

use crate::common::run::{argmax, golden, largest_difference, load, on_both_backends, rows};
use crate::common::twin::{Layout, PLAIN, ROWS, Twin};
use crate::forward::{DOTS, POST, choices, file, tiny_golden};
use pollster::block_on;
use sotto::base::error::{Code, Error};
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::device::reference::CpuMemory;
use sotto::file::gguf::HeaderParser;
use sotto::model;
use sotto::model::forward::{Model, Shape, Sizes};
use sotto::model::spec::{Join, Mask, Mix, Net};
use sotto::run::batch::Batch;
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use sotto::run::session::{GenerateOptions, Generation};
use tiny_models as tiny;
use whole_models::described::{CEILING_DECODED, CEILING_F32};

/// `tests/golden/nets.json`: logits of rows of the prompt by networks that no file describes.
#[derive(serde::Deserialize)]
struct Nets {
    prompt: Vec<u32>,
    prefix: usize,
    rows: Vec<u32>,
    logits: BTreeMap<String, Vec<Vec<f32>>>,
}

fn set_mask(net: &mut Net, mask: Mask) {
    for block in &mut net.blocks {
        let Mix::Attention(attention) = &mut block.mix else { panic!("no attention") };
        attention.mask = mask;
    }
}

#[test]
fn masks_see_what_they_say() {
    let goldens: Nets = golden("nets.json");
    let prompt = &goldens.prompt;
    for choice in choices().into_iter().filter(|choice| choice.planes.is_none()) {
        for (name, mask) in
            [("causal", Mask::Causal), ("window", Mask::Window(5)), ("prefix", Mask::Prefix), ("full", Mask::Full)]
        {
            let layout = Layout { choice, ..Default::default() };
            let mut twin = Twin::changed(&file("llama-f32"), layout, |net| set_mask(net, mask));
            let prefix = if mask == Mask::Prefix { goldens.prefix } else { prompt.len() };
            let wanted = |p: u32| goldens.rows.contains(&p);
            let mut batches = vec![Batch { rows: rows(&prompt[..prefix], 0, 0, wanted), prefill: true }];
            // What comes after a prefix is decoded: in two batches of several rows, and a row of its own.
            for (from, to) in [(prefix, prefix + 5), (prefix + 5, prefix + 8), (prefix + 8, prefix + 9)] {
                if from < prompt.len() {
                    let rows = rows(&prompt[from..to], from as u32, 0, wanted);
                    batches.push(Batch { rows, prefill: false });
                }
            }
            let logits: Vec<f32> = batches.iter().flat_map(|batch| twin.forward(batch)).collect();
            let error = largest_difference(&logits, &goldens.logits[name].concat());
            assert!(error < CEILING_DECODED, "{name}, {choice:?}: {error:.1e}");
        }
    }
}

#[test]
fn an_encoder_s_rows_are_alike_in_any_kind_of_batch() {
    let goldens: Nets = golden("nets.json");
    let prompt = &goldens.prompt;
    let mut twin = Twin::changed(&file("llama-f32"), Layout::default(), |net| set_mask(net, Mask::Full));
    let batch = |prefill| Batch { rows: rows(prompt, 0, 0, |p| goldens.rows.contains(&p)), prefill };
    let want = goldens.logits["full"].concat();
    for prefill in [true, false] {
        let error = largest_difference(&twin.forward(&batch(prefill)), &want);
        assert!(error < CEILING_F32, "prefill {prefill}: {error:.1e}");
    }
}

on_both_backends!(a_prefix_is_read_at_once_and_never_reused);

fn a_prefix_is_read_at_once_and_never_reused(backend: Backend) {
    let goldens: Nets = golden("nets.json");
    let engine = |max_rows: u32| {
        let options = LoadOptions { backend, kv: KvType::F32, max_rows: Some(max_rows), ..Default::default() };
        let mut engine = load(&file("llama-f32"), options).expect("a model");
        set_mask(&mut engine.model.net, Mask::Prefix);
        engine
    };
    let options = GenerateOptions { max_tokens: Some(1), ignore_eos: true, ..Default::default() };
    let first = |engine: &mut Engine| {
        let prompt = goldens.prompt[..goldens.prefix].to_vec();
        let mut generation = Generation::with_tokens(engine, prompt, options.clone()).expect("a generation");
        while block_on(generation.next(engine))?.is_some() {}
        Ok::<_, Error>((generation.tokens[0], generation.timings.cached_tokens))
    };
    let at = goldens.rows.iter().position(|&row| row as usize + 1 == goldens.prefix).expect("the prefix's last row");
    let best = argmax(&goldens.logits["prefix"][at]);
    let mut whole = engine(64);
    // The second time as well: what tokens are depends on those after them.
    for _ in 0..2 {
        assert_eq!(first(&mut whole).expect("a token"), (best, 0));
    }
    let error = first(&mut engine(16)).expect_err("a prompt in two batches");
    assert_eq!(error.code, Code::PromptTooLong, "{error}");
}

#[test]
fn both_parts_of_a_block_may_read_the_stream_as_it_was() {
    let goldens: Nets = golden("nets.json");
    let prompt = &goldens.prompt;
    let mut parallel = tiny::assemble(tiny::find("llama-f32").expect("a tiny model"));
    parallel.tensors.retain(|tensor| !tensor.name.ends_with("ffn_norm.weight"));
    let parallel = parallel.to_bytes();
    let join =
        |net: &mut Net| net.blocks.iter_mut().for_each(|block| (block.join, block.norms[1]) = (Join::Parallel, None));
    for choice in choices().into_iter().filter(|choice| choice.planes.is_none()) {
        let mut twin = Twin::changed(&parallel, Layout { choice, ..Default::default() }, join);
        let want = goldens.logits["parallel"].concat();
        let batch = Batch { rows: rows(prompt, 0, 0, |p| goldens.rows.contains(&p)), prefill: true };
        let error = largest_difference(&twin.forward(&batch), &want);
        assert!(error < CEILING_F32, "{choice:?}: {error:.1e}");
        // Token by token, and the last in a batch of three.
        let split = prompt.len() - 3;
        let mut batches: Vec<Batch> = (0..split)
            .map(|at| Batch {
                rows: rows(&prompt[at..=at], at as u32, 0, |p| goldens.rows.contains(&p)),
                prefill: false,
            })
            .collect();
        let last = rows(&prompt[split..], split as u32, 0, |p| goldens.rows.contains(&p));
        batches.push(Batch { rows: last, prefill: false });
        let decoded: Vec<f32> = batches.iter().flat_map(|batch| twin.forward(batch)).collect();
        let error = largest_difference(&decoded, &want);
        assert!(error < CEILING_DECODED, "{choice:?}, decoded: {error:.1e}");
    }
    // As many dispatches as one part after the other.
    let twin = Twin::changed(&parallel, Layout::default(), join);
    let dispatches = twin.model.record(Shape::decode(0)).expect("a recording").dispatches.len();
    assert_eq!(dispatches, 5 * twin.model.net.blocks.len() + 2);
}

#[test]
fn norms_behind_projections_come_with_either_join() {
    // Both sums are due at once: the first is added when the second is there.
    let name = "gemma3-f32";
    let prompt = tiny_golden(name).prompt;
    let mut file = tiny::assemble(tiny::find(name).expect("a tiny model"));
    file.tensors.retain(|tensor| !tensor.name.ends_with("ffn_norm.weight"));
    let join =
        |net: &mut Net| net.blocks.iter_mut().for_each(|block| (block.join, block.norms[1]) = (Join::Parallel, None));
    let [mut plain, mut fused] =
        [PLAIN, POST].map(|choice| Twin::changed(&file.to_bytes(), Layout { choice, ..Default::default() }, join));
    let batch = Batch { rows: rows(&prompt, 0, 0, |_| true), prefill: true };
    let want = plain.forward(&batch);
    assert!(largest_difference(&plain.mirrored(&batch), &want) < CEILING_F32);
    assert!(largest_difference(&fused.forward(&batch), &want) < CEILING_F32);
    for (at, want) in want.chunks(plain.model.net.n_vocab as usize).enumerate() {
        let next = Batch { rows: rows(&prompt[at..=at], at as u32, 0, |_| true), prefill: false };
        for twin in [&mut plain, &mut fused] {
            let error = largest_difference(&twin.forward(&next), want);
            assert!(error < CEILING_DECODED, "position {at}: {error:.1e}");
        }
    }
}

#[test]
fn activations_take_few_buffers_and_no_more_than_before() {
    for (name, choice) in [("llama-f32", PLAIN), ("gemma3-mixed", POST), ("gemma3-mixed", DOTS)] {
        let twin = Twin::new(&file(name), Layout { choice, ..Default::default() });
        let buffers = twin.both.buffers.iter().filter(|(label, _)| label.starts_with("activations"));
        let (count, bytes) = buffers.fold((0, 0), |(count, bytes), (_, each)| (count + 1, bytes + each));
        let net = &twin.model.net;
        let (attention, dense) =
            (net.blocks[0].attention().expect("attention"), net.blocks[0].dense().expect("a network"));
        // Each kind of activations in a buffer of its own: the stream and a norm of it, QKV, attention, gate and up, glu.
        let widths = 2 * net.n_embd + 2 * attention.q_dim() + 2 * attention.kv_dim() + 3 * dense.n_ff;
        assert!((3..=5).contains(&count), "{name}: {count} buffers");
        assert!(bytes < u64::from(ROWS * widths) * 4, "{name}: {bytes} bytes");
    }
}

#[test]
fn every_shape_finds_room() {
    for (name, choice) in [("llama-uneven-f32", PLAIN), ("gemma3-mixed", POST), ("qwen2-mixed", DOTS)] {
        let (header, _) = HeaderParser::new().push(&file(name)).expect("a sound header").expect("a whole header");
        for (max_rows, max_outputs) in [(1, 1), (2, 1), (4, 4), (5, 2), (9, 9), (70, 16)] {
            let sizes = Sizes { context: 128, cells: 128, max_rows, max_outputs };
            let net = model::read(&header.catalog).expect("a sound model");
            let (model, _) =
                Model::place(&header.catalog, net, sizes, choice, &mut CpuMemory::default()).expect("a layout");
            for (rows, prefill) in (1..=max_rows).flat_map(|rows| [(rows, true), (rows, false)]) {
                for outputs in 0..=rows.min(max_outputs) {
                    for before in [0, 200, 5000, u32::MAX].into_iter().filter(|&at| at == 0 || rows == 1 && !prefill) {
                        let shape = Shape { rows, outputs, prefill, before };
                        let recording = model.record(shape);
                        assert!(recording.is_ok(), "{name}, at most {max_rows} rows, {shape:?}: {:?}", recording.err());
                    }
                }
            }
        }
    }
}
