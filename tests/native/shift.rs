//! Conversations that outgrow their context and go on with what was read of them.

use std::collections::HashSet;

use crate::chat::{answer, user};
use crate::common::run::{load, on_both_backends};
use crate::generation::{Run, greedy, run};
use crate::saved::{restore, save};
use crate::states::text;
use pollster::block_on;
use serde_json::{Value, json};
use sotto::base::error::Code;
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::kernels::cell::BLOCK;
use sotto::kernels::rope::blocks::{self, Q4, Q8};
use sotto::run::engine::{Engine, Prompt};
use sotto::run::loader::LoadOptions;
use sotto::run::saved::Saver;
use sotto::run::session::{GenerateOptions, Generation};
use tiny_models::{self as tiny, archs};

/// What rotations there are: pairs beside each other and in halves, of parts of heads, stretched, by factors of the file, normed
/// before, by sections, of latents, none at some layers, none at all.
const NAMES: [&str; 16] = [
    "llama/biased",
    "llama/yarn",
    "llama/longrope",
    "llama/fused",
    "llama/narrow",
    "chatglm/narrow",
    "qwen2vl",
    "qwen3vl",
    "qwen",
    "gemma2",
    "gemma4",
    "gpt-oss",
    "deepseek2",
    "minicpm3",
    "bloom",
    "cohere2",
];

fn engine(file: &[u8], backend: Backend, kv: KvType) -> Engine {
    engine_of(file, backend, kv, 96)
}

fn engine_of(file: &[u8], backend: Backend, kv: KvType, context: u32) -> Engine {
    let options =
        LoadOptions { backend, kv, context: Some(context), max_rows: Some(32), depth: Some(1), ..Default::default() };
    load(file, options).expect("a model")
}

fn shifting(most: u32) -> GenerateOptions {
    GenerateOptions { fresh: false, shifts: true, cut: true, ..greedy(most) }
}

/// Keys and values of a layer at the first positions of the sequence that was used last.
fn cells(engine: &Engine, layer: usize, count: usize) -> [Vec<f32>; 2] {
    let store = engine.model.kv();
    let spec = engine.model.net.blocks[layer].attention().expect("attention");
    let sequence = store.sequences().iter().max_by_key(|sequence| sequence.used).expect("a sequence");
    let (keys, values) = store.layers[layer];
    let bytes = spec.cell_bytes(store.kind);
    [(keys, bytes[0]), (values, bytes[1])].map(|(buffer, each)| {
        let read =
            |first: u32, count: u32| engine.device.read_at(buffer, u64::from(first) * each, u64::from(count) * each);
        let runs = sequence.runs(0..count as u32).into_iter();
        let bytes: Vec<u8> = runs.flat_map(|run| block_on(read(run.first, run.count)).expect("cells")).collect();
        numbers(&bytes, spec.head_dim as usize, store.kind)
    })
}

fn numbers(bytes: &[u8], head_dim: usize, kind: KvType) -> Vec<f32> {
    let words: Vec<u32> = bytemuck::pod_collect_to_vec(bytes);
    let heads = words.chunks(kind.head_bytes(head_dim as u32) as usize / 4);
    let head = |words: &[u32]| {
        let mut head = vec![0.0; head_dim];
        match kind {
            KvType::F32 => head.copy_from_slice(bytemuck::cast_slice(words)),
            KvType::F16 => {
                let halves: &[u16] = bytemuck::cast_slice(words);
                head.iter_mut().zip(halves).for_each(|(to, bits)| *to = half::f16::from_bits(*bits).to_f32());
            }
            KvType::Q8 => blocks::load::<Q8>(words, &mut head),
            KvType::Q4 => blocks::load::<Q4>(words, &mut head),
        }
        head
    };
    heads.flat_map(head).collect()
}

/// The largest difference, as a part of the largest number.
fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(0.0, |most: f32, v| most.max(v.abs()));
    a.iter().zip(b).fold(0.0, |most: f32, (a, b)| most.max((a - b).abs())) / largest.max(f32::MIN_POSITIVE)
}

/// Of what a cache stores twice where one that is read anew stores once.
fn tolerance(kind: KvType) -> f32 {
    match kind {
        KvType::F32 => 2e-5,
        KvType::F16 => 1.5e-3,
        KvType::Q8 => 0.02,
        KvType::Q4 => 0.3,
    }
}

/// The first layer's keys depend on token and position alone: shifted, they are those of the new positions.
fn the_first_layers_keys_are_those_of_their_new_positions(backend: Backend) {
    let of_archs = NAMES.map(|name| (name, archs::build(name).expect("a tiny model"), KvType::F32));
    let of_kinds = [KvType::F16, KvType::Q8, KvType::Q4]
        .map(|kind| ("gemma3-f32", tiny::build("gemma3-f32").expect("a tiny model"), kind));
    let (stays, goes, moves, new) = (text(1, 9), text(30, 30), text(7, 40), text(50, 5));
    for (name, file, kind) in of_archs.into_iter().chain(of_kinds) {
        let mut shifted = engine(&file, backend, kind);
        // It does not lie at the first cells.
        run(&mut shifted, &[40; 3], GenerateOptions { fresh: false, ..greedy(1) });
        run(&mut shifted, &[&stays[..], &goes, &moves].concat(), shifting(1));
        let kept = stays.len() + moves.len();
        let before = cells(&shifted, 0, kept);
        let prompt = [&stays[..], &moves, &new].concat();
        assert_eq!(run(&mut shifted, &prompt, shifting(1)).cached, kept, "{name}");
        let mut fresh = engine(&file, backend, kind);
        run(&mut fresh, &prompt, greedy(1));
        let [keys, values] = cells(&shifted, 0, kept);
        let [right_keys, right_values] = cells(&fresh, 0, kept);
        // How a prompt is cut changes no value.
        assert!(apart(&values, &right_values) <= 1e-6, "{name}: values");
        let error = apart(&keys, &right_keys);
        assert!(error < tolerance(kind), "{name} {kind:?}: {error}");
        assert!(apart(&before[0], &right_keys) > 2.0 * tolerance(kind), "{name}: it shows nothing");
        assert_eq!(run(&mut shifted, &prompt, shifting(1)).cached, prompt.len() - 1, "{name}");
        // Who asked for no shift gets nothing of one.
        let plain = run(&mut shifted, &prompt, GenerateOptions { cut: false, ..shifting(1) });
        assert_eq!(plain.cached, stays.len(), "{name}");
    }
}

/// By so little, or of nothing in common, a prompt is read as ever; and without being asked for.
fn what_is_not_worth_it_is_read_anew(backend: Backend) {
    let file = tiny::build("llama-f32").expect("a tiny model");
    let cached = |first: &[u32], next: &[u32], options: GenerateOptions| {
        let mut engine = engine(&file, backend, KvType::F32);
        run(&mut engine, first, shifting(1));
        let Run { cached, tokens, .. } = run(&mut engine, next, options);
        let again = run(&mut engine, next, greedy(1)).tokens;
        (cached, tokens == again)
    };
    let (stays, goes, moves) = (text(1, 9), text(30, 30), text(7, 40));
    let first = [&stays[..], &goes, &moves].concat();
    let next = [&stays[..], &moves, &[3, 4]].concat();
    assert_eq!(cached(&first, &next, GenerateOptions { cut: false, ..shifting(1) }), (9, true));
    assert_eq!(cached(&first, &next, shifting(1)).0, 49);
    // Too little is moved, nothing stays before it, or more would be lost behind it.
    let few = [&stays[..], &moves[..15], &[3, 4]].concat();
    assert_eq!(cached(&first, &few, shifting(1)), (9, true));
    assert_eq!(cached(&first, &[&moves[..], &[3, 4]].concat(), shifting(1)), (0, true));
    let part = [&stays[..], &moves[..18], &[3, 4]].concat();
    assert_eq!(cached(&first, &part, shifting(1)), (9, true));
}

/// What was saved of a shifted text is one still.
fn a_shifted_text_is_saved_as_one(backend: Backend) {
    let file = tiny::build("llama-f32").expect("a tiny model");
    let (stays, goes, moves) = (text(1, 9), text(30, 30), text(7, 40));
    let prompt = [&stays[..], &moves, &[3, 4]].concat();
    let mut first = engine(&file, backend, KvType::F32);
    run(&mut first, &[&stays[..], &goes, &moves].concat(), shifting(1));
    let right = run(&mut first, &prompt, shifting(6)).tokens;
    let bytes = save(&first, &prompt).concat();
    for (cut, cached) in [(true, prompt.len() - 1), (false, stays.len())] {
        let mut other = engine(&file, backend, KvType::F32);
        assert_eq!(restore(&mut other, &bytes, 1000), Ok(prompt.len()));
        let reply = run(&mut other, &prompt, GenerateOptions { cut, ..shifting(6) });
        assert_eq!(reply.cached, cached);
        assert!(!cut || reply.tokens == right);
    }
}

/// Who saves knows of no cuts: he has all messages.
fn of_a_whole_text_what_its_cuts_left_is_saved(backend: Backend) {
    let file = tiny::build("llama-f32").expect("a tiny model");
    // What goes begins as what comes after it does.
    let (stays, goes, moves) = (text(1, 9), [&text(7, 3)[..], &text(30, 27)].concat(), text(7, 40));
    let mut first = engine(&file, backend, KvType::F32);
    run(&mut first, &[&stays[..], &goes, &moves].concat(), shifting(1));
    let prompt = [&stays[..], &moves, &[3, 4]].concat();
    let reply = run(&mut first, &prompt, shifting(6)).tokens;
    let whole = [&stays[..], &goes, &moves, &[3, 4], &reply].concat();
    let bytes = save(&first, &whole).concat();
    let next = [&prompt[..], &reply, &[5, 6]].concat();
    let right = run(&mut first, &next, shifting(6)).tokens;
    let mut other = engine(&file, backend, KvType::F32);
    assert_eq!(restore(&mut other, &bytes, 1000), Ok(next.len() - 3));
    let again = run(&mut other, &next, shifting(6));
    assert_eq!((again.cached, again.tokens), (next.len() - 3, right));
    // Of another text there is what it begins with.
    let foreign = [&stays[..], &goes, &text(50, 40)].concat();
    assert_eq!(Saver::new(&first, &foreign).map(|saver| saver.tokens()), Some(stays.len() + 3));
}

fn a_chat_of_ten_times_its_context_goes_on(backend: Backend) {
    const CONTEXT: u32 = 256;
    let file = tiny::build("llama-f32").expect("a tiny model");
    let chat = |overflow: &str| {
        let mut engine = engine_of(&file, backend, KvType::F32, CONTEXT);
        let mut messages = vec![json!({ "role": "system", "content": "the dog" })];
        let (mut read, mut said, mut shifts, mut dropped) = (Vec::new(), 0, 0, 0);
        while said < 10 * CONTEXT as usize {
            let asked = format!("turn {} the cat", messages.len());
            said += tokens_of(&engine, &asked);
            messages.push(user(&asked));
            let request =
                json!({ "messages": messages, "overflow": overflow, "max_completion_tokens": 6, "temperature": 0 });
            let answer = answer(&mut engine, &request);
            let usage = |name: &str| answer["usage"][name].as_u64().expect("a number");
            let prompt = usage("prompt_tokens");
            assert!(prompt + 6 <= u64::from(CONTEXT));
            let now = answer["dropped"].as_array().map_or(0, Vec::len);
            assert!(now >= dropped);
            shifts += u32::from(now > dropped);
            dropped = now;
            read.push(prompt - answer["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().expect("a number"));
            let store = engine.model.kv();
            let used: HashSet<u32> = store.sequences().iter().flat_map(|s| s.blocks.iter().copied()).collect();
            assert_eq!(store.free(), store.cells - BLOCK * used.len() as u32);
            said += usage("completion_tokens") as usize;
            messages.push(json!({ "role": "assistant", "content": answer["choices"][0]["message"]["content"] }));
        }
        (read, shifts)
    };
    let (read, shifts) = chat("shift");
    let (trimmed, trims) = chat("trim");
    assert!(shifts > 10 && 3 * shifts < 2 * trims, "{shifts} shifts, {trims} trims");
    // A turn reads itself and the reply before it, also where others went; without, all that is left is read again.
    let most = |read: &[u64]| read[1..].iter().copied().max().unwrap_or(0);
    assert!(most(&read) < 70 && most(&trimmed) > 140, "{read:?}, {trimmed:?}");
}

/// Where nothing had to go, another chat's turns are not remembered, however much of it is there.
fn a_chat_that_fits_is_as_if_it_were_alone(backend: Backend) {
    let file = tiny::build("llama-f32").expect("a tiny model");
    let turn = |words: &str| [user(&words.repeat(4)), json!({ "role": "assistant", "content": words.repeat(3) })];
    let (first, second) = (turn("the cat and a dog "), turn("a user of the world "));
    let system = json!({ "role": "system", "content": "the dog" });
    let ask = |engine: &mut Engine, turns: &[&Value]| {
        let asked = user("hello");
        let messages = [&[&system][..], turns, &[&asked][..]].concat();
        let request =
            json!({ "messages": messages, "overflow": "shift", "max_completion_tokens": 12, "temperature": 0 });
        let answer = answer(engine, &request);
        let cached = answer["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().expect("a number");
        (answer["choices"][0]["message"]["content"].clone(), cached)
    };
    let mut engine = engine_of(&file, backend, KvType::F32, 512);
    ask(&mut engine, &[&first[0], &first[1], &second[0], &second[1]]);
    let alone = ask(&mut engine_of(&file, backend, KvType::F32, 512), &[&second[0], &second[1]]);
    let (text, cached) = ask(&mut engine, &[&second[0], &second[1]]);
    assert_eq!((text, alone.1), (alone.0, 0));
    assert!(cached > 0 && cached < 40, "{cached}");
}

fn tokens_of(engine: &Engine, text: &str) -> usize {
    engine.encode(&Prompt::Raw(text.into())).expect("tokens").len()
}

on_both_backends!(
    the_first_layers_keys_are_those_of_their_new_positions,
    what_is_not_worth_it_is_read_anew,
    a_shifted_text_is_saved_as_one,
    of_a_whole_text_what_its_cuts_left_is_saved,
    a_chat_that_fits_is_as_if_it_were_alone,
    a_chat_of_ten_times_its_context_goes_on,
);

#[test]
fn models_that_cannot_be_shifted_say_so() {
    for (name, why) in [
        ("lfm2", "recurrent layers"),
        ("mamba2/slim", "recurrent layers"),
        ("gpt2", "learned"),
        ("mpt/learned", "learned"),
        ("hunyuan-dense", "weighted"),
    ] {
        let mut engine = engine(&archs::build(name).expect("a tiny model"), Backend::Cpu, KvType::F32);
        let error = Generation::with_tokens(&mut engine, vec![1, 2, 3], shifting(1)).err().expect("a refusal");
        assert!(error.code == Code::BadOption && error.message.contains(why), "{name}: {error}");
        assert!(Generation::with_tokens(&mut engine, vec![1, 2, 3], greedy(1)).is_ok());
    }
}
