//! The tiny models, whole: what they compute against the goldens, and that no way of running them changes it.

use crate::common::run::{TinyGolden, golden, gpu, largest_difference, load, on_both_backends, prefill, rows};
use crate::common::twin::{Layout, PLAIN, Twin};
use pollster::block_on;
use sotto::base::buffer::BufferId;
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::device::gpu::{Gpu, GpuOptions};
use sotto::device::memory::Memory;
use sotto::kernels::choose::{Choice, Cuts, ManyRows, Prefill, SingleRow};
use sotto::kernels::table::choices::{Kv, Lanes, Planes, Reduce, X};
use sotto::model::forward::Shape;
use sotto::model::store::SequenceId;
use sotto::run::batch::{Batch, Row};
use sotto::run::loader::LoadOptions;
use tiny_models as tiny;
use whole_models::described::{self, CEILING_8_BITS, CEILING_16_BITS, CEILING_F32};

/// Models that between them have every architecture, type and kind of layer.
const VARIED: [&str; 5] = ["llama-mixed", "qwen2-mixed", "gemma3-mixed", "llama3-f32", "llama-uneven-f32"];

pub fn file(name: &str) -> Vec<u8> {
    tiny::build(name).expect("a tiny model")
}

fn options(backend: Backend, kv: KvType, max_rows: u32) -> LoadOptions {
    LoadOptions { backend, kv, max_rows: Some(max_rows), ..Default::default() }
}

pub fn tiny_golden(name: &str) -> TinyGolden {
    golden(&format!("tiny_{name}.json"))
}

/// 120 tokens: more than a tile of the attention kernel, many windows, uneven chunks.
fn long_prompt(name: &str) -> Vec<u32> {
    let prompt = tiny_golden(name).prompt;
    let mut long = prompt.clone();
    long.extend(prompt.iter().rev());
    long.extend(&prompt);
    long
}

on_both_backends!(every_tiny_model_computes_its_golden, chunks_of_any_size_give_the_same_bits);

fn every_tiny_model_computes_its_golden(backend: Backend) {
    let mut failures = Vec::new();
    let precisions = if backend == Backend::Cpu { vec![true, false] } else { vec![true] };
    for (spec, precise) in tiny::MODELS.iter().flat_map(|spec| precisions.iter().map(move |&p| (spec, p))) {
        for kv in [KvType::F32, KvType::F16] {
            let what = format!("{:20} {:6} precise {precise}:", spec.name, kv_name(kv));
            match compare(LoadOptions { fast: !precise, ..options(backend, kv, 16) }, spec.name) {
                Ok(found) => println!("{what} {found}"),
                Err(why) => failures.push(format!("{what} {why}")),
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn kv_name(kv: KvType) -> &'static str {
    if kv == KvType::F32 { "f32" } else { "pack16" }
}

/// How far it is from its golden, or what is wrong.
fn compare(options: LoadOptions, name: &str) -> Result<String, String> {
    let (backend, kv) = (options.backend, options.kv);
    let explain = |name, kv| if backend == Backend::Cpu { "on the CPU".into() } else { explain(name, kv) };
    let measures = block_on(described::check(name, &tiny_golden(name), options)).map_err(|e| e.to_string())?;
    match whole_models::failure(&measures) {
        None => Ok(whole_models::shown(&measures)),
        Some(why) => Err(format!("{why}: too much; {}", explain(name, kv))),
    }
}

/// Where a wrong result comes from: the first dispatch that its mirror contradicts.
fn explain(name: &str, kv: KvType) -> String {
    let mut twin =
        Twin::new(&file(name), Layout { choice: Choice { kv: Choice::cpu(kv).kv, ..PLAIN }, ..Default::default() });
    let prompt = tiny_golden(name).prompt;
    let whole = Batch { rows: rows(&prompt, 0, 0, |_| true), prefill: true };
    let next = Batch { rows: rows(&prompt[..1], prompt.len() as u32, 0, |_| true), prefill: false };
    match twin.first_difference(&whole).or_else(|| twin.first_difference(&next)) {
        Some(difference) => difference.to_string(),
        None => "every dispatch agrees with its mirror, so look at how they are recorded and weights laid out".into(),
    }
}

#[test]
fn every_dispatch_agrees_with_its_mirror() {
    for name in VARIED {
        let mut twin =
            Twin::new(&file(name), Layout { choice: Choice { kv: Kv::Pack16, ..PLAIN }, ..Default::default() });
        let batch = Batch { rows: rows(&tiny_golden(name).prompt, 0, 0, |p| p % 13 == 0), prefill: true };
        let difference = twin.first_difference(&batch);
        assert!(difference.is_none(), "{name}: {}", difference.unwrap());
    }
}

#[test]
fn the_mirrors_alone_compute_the_goldens() {
    for name in ["llama-f32", "llama3-f32", "qwen2-f16", "gemma3-softcap-f32", "gemma3-mixed"] {
        let golden = tiny_golden(name);
        let mut twin = Twin::new(&file(name), Layout::default());
        let batch =
            Batch { rows: rows(&golden.prompt, 0, 0, |p| golden.logits.contains_key(&(p as usize))), prefill: true };
        let want: Vec<f32> = golden.logits.into_values().flatten().collect();
        let error = largest_difference(&twin.mirrored(&batch), &want);
        assert!(error < CEILING_F32, "{name}: {error:.1e}");
    }
}

#[test]
fn the_first_dispatch_that_differs_is_named() {
    let prompt = tiny_golden("llama-f32").prompt;
    let batch = Batch { rows: rows(&prompt, 0, 0, |p| p == 39), prefill: true };
    for (label, variant) in [
        ("token_embd.weight", "embed.f32"),
        ("blk.1.ffn_down.weight", "matmul.f32.direct"),
        ("output_norm.weight", "matvec.f32.tree"),
    ] {
        let mut twin = Twin::new(&file("llama-f32"), Layout::default());
        assert!(twin.first_difference(&batch).is_none());
        let id = BufferId(twin.both.buffers.iter().position(|b| b.0 == label).expect(label));
        // Row 96 of the embedding is the prompt's first token.
        let at = if label == "token_embd.weight" { 96 * 64 } else { 0 };
        twin.both.gpu.write(id, at * 4, bytemuck::bytes_of(&7f32));
        let found = twin.first_difference(&batch).expect("a difference");
        let (recording, buffer) = (twin.model.record(Shape::new(40, 1, true, 39)).unwrap(), found.index);
        let reads = |index: usize| recording.dispatches[index].buffers.contains(&id);
        assert!(found.variant == variant && reads(buffer) && !(0..buffer).any(reads), "{label}: {found}");
        assert!(found.to_string().contains(variant) && found.error > 1e-3, "{found}");
    }
}

fn chunks_of_any_size_give_the_same_bits(backend: Backend) {
    for name in VARIED {
        let prompt = long_prompt(name);
        let mut engine = load(&file(name), options(backend, KvType::F16, 64)).expect("a model");
        // Whole chunks without logits but the last, as a generation prefills.
        let mut last = Vec::new();
        let sequence = engine.open(prompt.len() as u32).expect("a sequence");
        for (piece, start) in prompt.chunks(64).zip((0..).step_by(64)) {
            let batch = Batch { rows: rows(piece, start, sequence.0, |p| p == 119), prefill: true };
            last = block_on(engine.forward(&batch)).expect("logits");
        }
        let expected = prefill(&mut engine, &prompt, 16);
        // The logits of one row take a kernel of their own: their last bits may differ.
        let error = largest_difference(&last, &expected[expected.len() - last.len()..]);
        assert!(error < CEILING_F32, "{name}: 64 rows at once differ from 16 by {error:.1e}");
        for chunk in [7, 2] {
            let got = prefill(&mut engine, &prompt, chunk);
            let whole = expected.len() - last.len();
            assert!(got[..whole] == expected[..whole], "{name}: chunks of {chunk} change the logits");
        }
        let error = largest_difference(&prefill(&mut engine, &prompt, 1), &expected);
        assert!(error < CEILING_F32, "{name}: chunks of 1 change the logits by {error:.1e}");
        // A model laid out for small batches.
        let mut engine = load(&file(name), options(backend, KvType::F16, 3)).expect("a model");
        assert!(prefill(&mut engine, &prompt, 3) == expected, "{name}: maxBatchTokens 3 changes the logits");
    }
}

#[test]
fn without_subgroups_the_result_is_alike() {
    for name in ["gemma3-mixed", "qwen2-f32"] {
        let prompt = long_prompt(name);
        let mut engine = load(&file(name), options(Backend::Webgpu, KvType::F32, 16)).expect("a model");
        let with = prefill(&mut engine, &prompt, 16);
        let without = GpuOptions { subgroups: false, f16: false, ..Default::default() };
        let mut engine = load(&file(name), LoadOptions { gpu: without, ..options(Backend::Webgpu, KvType::F32, 16) })
            .expect("a model");
        assert!(!gpu(&engine).caps.subgroups);
        let error = largest_difference(&with, &prefill(&mut engine, &prompt, 16));
        assert!(error < CEILING_F32, "{name}: {error:.1e}");
    }
}

/// What a GPU prefills with; and integers in all products, of two planes of bytes and of one.
const TILES: Choice = Choice { many: ManyRows::Tile, prefill: Prefill::Tile, ..PLAIN };
pub const DOTS: Choice =
    Choice { many: ManyRows::TileDot, single: SingleRow::SharedDot, planes: Some(Planes::N2), ..TILES };
const FAST_DOTS: Choice = Choice { planes: Some(Planes::N1), ..DOTS };
/// Norms behind projections as a part of the product after them.
pub const POST: Choice = Choice { post: true, ..PLAIN };

fn ceiling(choice: Choice) -> f32 {
    match choice.planes {
        None => CEILING_F32,
        Some(Planes::N1) => CEILING_8_BITS,
        Some(Planes::N2) => CEILING_16_BITS,
    }
}

#[test]
fn integer_products_compute_the_goldens() {
    for name in tiny::MODELS.iter().map(|spec| spec.name).filter(|name| !name.ends_with("f32")) {
        let golden = tiny_golden(name);
        let prompt = &golden.prompt;
        let batch = Batch { rows: rows(prompt, 0, 0, |_| true), prefill: true };
        for choice in [DOTS, FAST_DOTS] {
            let mut twin = Twin::new(&file(name), Layout { choice, ..Default::default() });
            let logits = twin.forward(&batch);
            let n_vocab = twin.model.net.n_vocab as usize;
            let row = |position: usize| &logits[position * n_vocab..][..n_vocab];
            let errors = golden.logits.iter().map(|(&at, want)| largest_difference(row(at), want));
            let prefilled = errors.fold(0.0, f32::max);
            // The last token once more, by the kernels of a token of its own.
            let last = prompt.len() - 1;
            let next = Batch { rows: rows(&prompt[last..], last as u32, 0, |_| true), prefill: false };
            let decoded = largest_difference(&twin.forward(&next), row(last));
            println!("{name:20} {:?} planes: prefilled {prefilled:.1e}, decoded {decoded:.1e}", choice.planes);
            let most = ceiling(choice);
            assert!(prefilled < most && decoded < most, "{name}, {choice:?}: {prefilled:.1e}, {decoded:.1e}");
        }
    }
}

#[test]
fn integers_do_not_hide_what_is_no_number() {
    let name = "llama-q4_k";
    let prompt = tiny_golden(name).prompt;
    let mut twin = Twin::new(&file(name), Layout { choice: DOTS, ..Default::default() });
    let id = BufferId(twin.both.buffers.iter().position(|b| b.0 == "output_norm.weight").expect("a norm"));
    twin.both.gpu.write(id, 4, bytemuck::bytes_of(&f32::NAN));
    for prefill in [true, false] {
        // One row takes the matrix-vector kernel to its logits, three the other.
        for count in [1, 3] {
            let batch = Batch { rows: rows(&prompt[..count], 0, 0, |_| true), prefill };
            assert!(twin.forward(&batch).iter().all(|logit| logit.is_nan()), "{count} rows, prefill {prefill}");
        }
    }
}

#[test]
fn tiles_give_the_same_bits_whatever_the_chunk() {
    let cases = ["qwen2-mixed", "gemma3-mixed"].map(|name| [(name, TILES), (name, DOTS), (name, FAST_DOTS)]);
    for (name, choice) in cases.into_iter().flatten() {
        let prompt = long_prompt(name);
        let choice = Choice { kv: Kv::Pack16, ..choice };
        let mut twin = Twin::new(&file(name), Layout { choice, ..Default::default() });
        let mut prefill = |chunk: usize| -> Vec<f32> {
            let pieces = prompt.chunks(chunk).zip((0..).step_by(chunk));
            let batch = |(piece, start): (&[u32], u32)| Batch { rows: rows(piece, start, 0, |_| true), prefill: true };
            pieces.flat_map(|piece| twin.forward(&batch(piece))).collect()
        };
        let expected = prefill(64);
        // Eights, not sevens: the logits of one row alone take a kernel of their own.
        for chunk in [33, 8] {
            assert!(prefill(chunk) == expected, "{name}, {choice:?}: chunks of {chunk} change the logits");
        }
    }
}

/// Kernels that this adapter runs, from the plainest to the most involved, with the exact cache; then the tiles, integers,
/// and norms that are a part of products.
pub fn choices() -> Vec<Choice> {
    let lanes = block_on(Gpu::request(GpuOptions::default())).expect("an adapter").caps.subgroup_min;
    let all = [
        (0, PLAIN),
        (1, Choice { reduce: Reduce::Subgroup, lanes: Lanes::Subgroup, ..PLAIN }),
        (0, Choice { single: SingleRow::Owned(X::Direct), prefill: Prefill::Owned, ..PLAIN }),
        (
            4,
            Choice {
                reduce: Reduce::Subgroup,
                lanes: Lanes::Quad,
                many: ManyRows::Owned(X::Quad),
                single: SingleRow::Owned(X::Quad),
                ..PLAIN
            },
        ),
        (
            8,
            Choice {
                reduce: Reduce::Subgroup,
                lanes: Lanes::Quad,
                many: ManyRows::Owned(X::Octet),
                single: SingleRow::Owned(X::Direct),
                prefill: Prefill::Owned,
                ..PLAIN
            },
        ),
        (0, TILES),
        (0, DOTS),
        (1, Choice { reduce: Reduce::Subgroup, cuts: Cuts::LARGE_CARD, ..DOTS }),
        (0, FAST_DOTS),
        (0, POST),
        (1, Choice { reduce: Reduce::Subgroup, ..POST }),
        (0, Choice { post: true, ..DOTS }),
    ];
    all.into_iter().filter(|c| c.0 <= lanes).map(|c| c.1).collect()
}

#[test]
fn every_choice_of_kernels_computes_alike() {
    let prompt = tiny_golden("gemma3-mixed").prompt;
    let batch = Batch { rows: rows(&prompt, 0, 0, |_| true), prefill: true };
    let runs = choices().into_iter().map(|choice| {
        let mut twin = Twin::new(&file("gemma3-mixed"), Layout { choice, ..Default::default() });
        assert!(twin.first_difference(&batch).is_none_or(|d| panic!("{choice:?}: {d}")));
        let mut logits = twin.forward(&batch);
        // A token of its own takes other kernels, and its attention may be split.
        let next = Batch { rows: rows(&prompt[..1], prompt.len() as u32, 0, |_| true), prefill: false };
        for split in [false, true] {
            twin.split = split;
            assert!(twin.first_difference(&next).is_none_or(|d| panic!("{choice:?}, split {split}: {d}")));
            logits.extend(twin.forward(&next));
        }
        (choice, logits)
    });
    let mut first: Option<Vec<f32>> = None;
    for (choice, logits) in runs {
        let error = largest_difference(first.get_or_insert_with(|| logits.clone()), &logits);
        assert!(error < ceiling(choice), "{choice:?}: {error:.1e}");
    }
}

#[test]
fn norms_behind_projections_may_be_added_by_the_next_product() {
    for name in tiny::MODELS.iter().map(|spec| spec.name).filter(|name| name.starts_with("gemma3")) {
        let prompt = tiny_golden(name).prompt;
        // A kernel without that form, too, stands in for one that has it.
        for choice in [PLAIN, Choice { single: SingleRow::Owned(X::Direct), ..PLAIN }, DOTS] {
            let choices = [choice, Choice { post: true, ..choice }];
            let [mut apart, mut fused] =
                choices.map(|choice| Twin::new(&file(name), Layout { choice, ..Default::default() }));
            let prefill = Batch { rows: rows(&prompt, 0, 0, |_| false), prefill: true };
            apart.forward(&prefill);
            fused.forward(&prefill);
            for (count, outputs) in [(1, 1), (2, 2), (3, 1), (4, 4), (5, 5), (1, 0)] {
                let wants = |p: u32| p as usize >= prompt.len() + count - outputs;
                let next = Batch { rows: rows(&prompt[..count], prompt.len() as u32, 0, wants), prefill: false };
                assert!(fused.first_difference(&next).is_none_or(|d| panic!("{name}, {choice:?}, {count} rows: {d}")));
                let error = largest_difference(&apart.forward(&next), &fused.forward(&next));
                assert!(error < ceiling(choice), "{name}, {choice:?}, {count} rows: {error:.1e}");
            }
        }
    }
}

#[test]
fn a_decoded_token_takes_five_dispatches_a_layer_on_a_graphics_card() {
    let mut caps = block_on(Gpu::request(GpuOptions::default())).expect("an adapter").caps.clone();
    caps.is_software = false;
    let card = Choice { post: Choice::of(&caps, KvType::F32, false).post, ..PLAIN };
    caps.is_software = true;
    assert!(!Choice::of(&caps, KvType::F32, false).post && !Choice::cpu(KvType::F32).post);
    let twin = |name, choice| Twin::new(&file(name), Layout { choice, ..Default::default() });
    let count = |name, choice, shape| {
        let twin = twin(name, choice);
        let count = twin.model.record(shape).expect("a recording").dispatches.len();
        (twin.model.net.blocks.len(), count)
    };
    // With those of the embedding, the logits and the last norm behind a projection.
    let (layers, dispatches) = count("gemma3-f32", card, Shape::decode(0));
    assert_eq!(dispatches, 5 * layers + 3);
    assert_eq!(count("gemma3-f32", PLAIN, Shape::decode(0)), (layers, 7 * layers + 2));
    let (layers, dispatches) = count("llama-f32", card, Shape::decode(0));
    assert_eq!(dispatches, 5 * layers + 2);
    // Nothing is read from memory that was not before.
    let reads = [PLAIN, card].map(|choice| {
        let twin = twin("gemma3-mixed", choice);
        let recording = twin.model.record(Shape::decode(0)).expect("a recording");
        sotto::eval::total(&twin.both.gpu, &twin.model, &recording, 0..1)
    });
    assert_eq!(reads[0], reads[1]);
    // A prompt's rows are computed as ever.
    let prompt = Shape::new(4, 1, true, 3);
    assert_eq!(count("gemma3-f32", card, prompt), count("gemma3-f32", PLAIN, prompt));
}

#[test]
fn two_sequences_in_a_batch_are_as_each_alone() {
    for name in ["llama-mixed", "gemma3-mixed"] {
        let prompt = tiny_golden(name).prompt;
        let other: Vec<u32> = prompt.iter().rev().take(23).copied().collect();
        // The plainest kernels, the most involved, the tiles, and integers.
        let choices = choices();
        let tiles = choices.iter().position(|c| c.many == ManyRows::Tile).expect("tiles");
        for choice in [choices[0], choices[tiles - 1], TILES, DOTS] {
            let mut twin = Twin::new(&file(name), Layout { choice, n_sequences: 2, ..Default::default() });
            let mut alone = |tokens: &[u32]| {
                run_and_decode(&mut twin, &[rows(tokens, 0, 0, |p| p > 20)], &[(tokens[0], tokens.len() as u32, 0)])
            };
            let (first, second) = (alone(&prompt), alone(&other));
            let both = [rows(&prompt, 0, 1, |p| p > 20), rows(&other, 0, 0, |p| p > 20)];
            let next = [(prompt[0], 40, 1), (other[0], 23, 0)];
            let (prefilled, decoded) = run_and_decode(&mut twin, &both, &next);
            assert!(prefilled == [first.0, second.0].concat(), "{name} {choice:?}: prefill differs");
            // A row of its own takes another attention kernel: last bits may differ.
            let error = largest_difference(&decoded, &[first.1, second.1].concat());
            assert!(error < ceiling(choice), "{name} {choice:?}: decoding differs by {error:.1e}");
        }
    }
}

/// Prefills the sequences in one batch, their rows taken in turns, then decodes one (token, position, sequence) of
/// each; the logits of both, sequence by sequence.
fn run_and_decode(twin: &mut Twin, sequences: &[Vec<Row>], next: &[(u32, u32, u32)]) -> (Vec<f32>, Vec<f32>) {
    let mut mixed: Vec<Row> = Vec::new();
    let most = sequences.iter().map(Vec::len).max().unwrap_or(0);
    (0..most).for_each(|i| mixed.extend(sequences.iter().filter_map(|s| s.get(i))));
    let n_vocab = twin.model.net.n_vocab as usize;
    let logits = twin.forward(&Batch { rows: mixed.clone(), prefill: true });
    let wanted: Vec<&Row> = mixed.iter().filter(|r| r.logits).collect();
    let of = |sequence: u32| {
        let pairs = wanted.iter().zip(logits.chunks(n_vocab));
        pairs.filter(|(r, _)| r.sequence == SequenceId(sequence)).flat_map(|(_, l)| l.to_vec()).collect::<Vec<f32>>()
    };
    let prefilled = sequences.iter().flat_map(|s| of(s[0].sequence.0)).collect();
    let decode = next.iter().map(|&(token, position, sequence)| Row {
        token,
        position,
        sequence: SequenceId(sequence),
        logits: true,
    });
    (prefilled, twin.forward(&Batch { rows: decode.collect(), prefill: false }))
}

#[test]
fn matrices_in_many_parts_change_nothing() {
    for name in VARIED {
        let prompt = tiny_golden(name).prompt;
        let batch = Batch { rows: rows(&prompt, 0, 0, |_| true), prefill: true };
        let next = Batch { rows: rows(&prompt[..1], 40, 0, |_| true), prefill: false };
        let mut whole = Twin::new(&file(name), Layout::default());
        let mut parts = Twin::new(&file(name), Layout { max_binding: 40_000, ..Default::default() });
        let count = |twin: &Twin| twin.both.buffers.iter().filter(|b| b.0 == "token_embd.weight").count();
        assert!(count(&whole) == 1 && count(&parts) >= 2, "{name}: {} parts", count(&parts));
        assert!(whole.forward(&batch) == parts.forward(&batch), "{name}: prefill differs");
        assert!(whole.forward(&next) == parts.forward(&next), "{name}: decoding differs");
    }
}
