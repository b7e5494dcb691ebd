//! What a benchmark reports on tiny models: costs that follow from the model, times that add up.

use crate::common::run::{load, on_both_backends};
use pollster::block_on;
use sotto::base::cancel::Cancel;
use sotto::base::error::Code;
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::device::memory::Memory;
use sotto::eval::{BenchOptions, PassTime, bench, profile, total};
use sotto::model::spec::Block;
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use tiny_models as tiny;

fn engine(backend: Backend, name: &str) -> Engine {
    let options =
        LoadOptions { backend, context: Some(128), max_rows: Some(16), kv: KvType::F16, ..Default::default() };
    load(&tiny::build(name).unwrap(), options).expect("a model")
}

on_both_backends!(
    a_token_reads_every_weight_once_and_one_row_of_the_embedding,
    a_token_reads_the_cache_up_to_itself_or_its_window,
    a_benchmark_reports_each_length_and_refuses_what_does_not_fit,
    a_profile_has_every_dispatch_and_adds_up,
    a_timed_recording_computes_what_an_untimed_one_does,
);

/// Weight and cache bytes of one token at a position.
fn token(engine: &Engine, position: u32) -> (u64, u64) {
    let recording = engine.model.record(engine.decode_shape(0)).unwrap();
    let reads = total(&engine.device, &engine.model, &recording, position..position + 1);
    (reads.weights, reads.kv)
}

fn a_token_reads_every_weight_once_and_one_row_of_the_embedding(backend: Backend) {
    for name in ["llama-f32", "gemma3-mixed"] {
        let engine = engine(backend, name);
        let net = &engine.model.net;
        let file: u64 = engine.types.iter().map(|t| t.1).sum();
        let (weights, _) = token(&engine, 0);
        // In both files every tensor is read: a tied embedding as the output. Planes are within 2 % of the file's
        // size, and buffers are filled up to 16 bytes.
        let extra = if net.tied_output { 0 } else { net.n_vocab as u64 * net.n_embd as u64 * 4 };
        let expected = (file - extra) as f64;
        assert!((weights as f64 / expected - 1.0).abs() < 0.05, "{name}: {weights} of {expected}");
    }
}

fn a_token_reads_the_cache_up_to_itself_or_its_window(backend: Backend) {
    let llama = engine(backend, "llama-f32");
    let cell: u64 = llama
        .model
        .net
        .blocks
        .iter()
        .map(|block| u64::from(block.attention().expect("attention").kv_dim()) * 2 * 2)
        .sum();
    assert_eq!(token(&llama, 0).1, cell);
    assert_eq!(token(&llama, 99).1, 100 * cell);

    let gemma = engine(backend, "gemma3-mixed");
    let blocks = &gemma.model.net.blocks;
    let window = |block: &Block| u64::from(block.attention().expect("attention").mask.window().unwrap_or(100).min(100));
    let cells: u64 = blocks.iter().map(window).sum();
    assert!(cells < 100 * blocks.len() as u64, "a window below 100");
    assert_eq!(token(&gemma, 99).1, cells * u64::from(blocks[0].attention().expect("attention").kv_dim()) * 2 * 2);
}

fn a_benchmark_reports_each_length_and_refuses_what_does_not_fit(backend: Backend) {
    let mut engine = engine(backend, "llama-f32");
    let options = BenchOptions { prompt_tokens: vec![5, 40], gen_tokens: 3, runs: 1, profile: false };
    let several = block_on(bench(&mut engine, &options)).unwrap();
    assert_eq!(several.lengths.iter().map(|l| l.prompt_tokens).collect::<Vec<_>>(), [5, 40]);
    assert_eq!(several.lengths[0].prefill_tps, several.prefill_tps);
    assert_eq!((several.weight_bytes_per_token, several.kv_bytes_per_token), token(&engine, 5));
    assert!(
        several.encode_us.is_some_and(|us| us > 0.0) == (backend == Backend::Webgpu)
            && several.decode_tps > 0.0
            && several.profile.is_none()
    );

    let one = block_on(bench(&mut engine, &BenchOptions { prompt_tokens: vec![5], ..options.clone() })).unwrap();
    assert!(one.lengths.is_empty());
    for (prompt_tokens, runs) in [(vec![], 1), (vec![0], 1), (vec![5], 0), (vec![5, 126], 1), (vec![usize::MAX], 1)] {
        let options = BenchOptions { prompt_tokens, runs, ..options.clone() };
        assert_eq!(block_on(bench(&mut engine, &options)).unwrap_err().code, Code::BadOption);
    }
}

fn a_timed_recording_computes_what_an_untimed_one_does(backend: Backend) {
    let mut engine = engine(backend, "llama-f32");
    let recording = engine.model.record(engine.decode_shape(0)).unwrap();
    let prepared = block_on(engine.device.prepare(&recording, &Cancel::default())).unwrap();
    let n = u64::from(engine.model.net.n_vocab) * 4;
    let timestamps = engine.device.check_timestamps().is_ok();
    let mut logits = |token: u32, timed: bool| {
        engine.device.write(engine.model.batch_buffer(), 0, bytemuck::cast_slice(&[token, 0, 0, 0]));
        engine.device.write(engine.model.outputs_buffer(), 0, &[0; 4]);
        match timed {
            true => assert_eq!(block_on(engine.device.time(&prepared)).unwrap().len(), prepared.len()),
            false => block_on(engine.device.run(&prepared, &Cancel::default())).unwrap(),
        }
        block_on(engine.device.read(engine.model.logits_buffer(), n)).unwrap()
    };
    let untimed = [logits(7, false), logits(9, false)];
    assert_ne!(untimed[0], untimed[1]);
    if timestamps {
        assert_eq!([logits(7, true), logits(9, true)], untimed);
    }
}

fn a_profile_has_every_dispatch_and_adds_up(backend: Backend) {
    let mut engine = engine(backend, "llama-f32");
    if engine.device.check_timestamps().is_err() {
        return println!("{} has no timestamps", engine.device.name());
    }
    let profile = block_on(profile(&mut engine, 20, 2)).unwrap();
    let sum = |pass: &PassTime, of: fn(&sotto::eval::KernelTime) -> f64| pass.kernels.iter().map(of).sum::<f64>();
    // The forward pass; sampling is behind it.
    let dispatches = engine.model.record(engine.decode_shape(20)).unwrap().dispatches.len();
    assert_eq!(sum(&profile.decode, |k| k.calls as f64), dispatches as f64);
    let (weights, kv) = token(&engine, 20);
    assert_eq!(sum(&profile.decode, |k| k.weight_bytes as f64), weights as f64);
    assert_eq!(sum(&profile.decode, |k| k.kv_bytes as f64), kv as f64);
    for pass in [&profile.decode, &profile.prefill] {
        assert!(pass.wall_us > 0.0 && pass.kernels_us > 0.0);
        assert!((sum(pass, |k| k.us) / pass.kernels_us - 1.0).abs() < 1e-9);
        assert!((sum(pass, |k| k.share) - 1.0).abs() < 1e-9);
        assert!(pass.kernels.windows(2).all(|two| two[0].us >= two[1].us));
    }
    assert_eq!((profile.decode.rows, profile.decode.position, profile.prefill.rows), (1, 20, 16));
}

#[test]
fn without_timestamps_a_profile_is_refused_before_anything_runs() {
    let mut engine = engine(Backend::Webgpu, "llama-f32");
    let sotto::device::Device::Gpu(gpu) = &mut engine.device else { panic!("an engine on a GPU") };
    gpu.caps.timestamps = false;
    let recording = engine.model.record(engine.decode_shape(0)).unwrap();
    let prepared = block_on(engine.device.prepare(&recording, &Cancel::default())).unwrap();
    let options = BenchOptions { prompt_tokens: vec![5], gen_tokens: 3, runs: 1, profile: true };
    for error in [
        block_on(bench(&mut engine, &options)).unwrap_err(),
        block_on(profile(&mut engine, 5, 1)).unwrap_err(),
        block_on(engine.device.time(&prepared)).unwrap_err(),
    ] {
        assert_eq!(error.code, Code::BadOption);
        assert!(error.message.contains("timestamps"), "{error}");
    }
}
