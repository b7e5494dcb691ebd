//! The two real models against an independent forward pass: ids, mean NLL, the best logits, and every greedy token.
//! Prompts and continuations come to about 2000 tokens a model, each computed once on the CPU; the short ones on the
//! GPU too, and with `--ignored` all of them.

use crate::common::models;
use std::io::Read;

use crate::common::run::{argmax, golden, rows};
use pollster::block_on;
use sotto::device::Backend;
use sotto::eval::{self, Score};
use sotto::kernels::choose::{Caps, Choice, ManyRows, Prefill, SingleRow};
use sotto::kernels::table::choices::{Kv, Lanes, Reduce, X};
use sotto::model::store::SequenceId;
use sotto::run::batch::Batch;
use sotto::run::engine::{Engine, Prompt};
use sotto::run::loader::{LoadOptions, Loader};
use sotto::run::session::{GenerateOptions, Generation};

/// `tests/golden/prompts.json` and, with what must come of it, `tests/golden/MODEL.json`.
#[derive(serde::Deserialize)]
struct Golden {
    name: String,
    text: String,
    token_ids: Vec<u32>,
    mean_nll: f64,
    top10: Vec<(u32, f32)>,
    greedy_ids: Vec<u32>,
    /// Between the two best logits; null where unknown.
    greedy_gaps: Vec<Option<f32>>,
}

#[derive(serde::Deserialize)]
struct Named {
    name: String,
    text: String,
}

/// Of the mean NLL, relative; of a logit; of the gap below which two tokens are as good as one another.
const NLL: f64 = 0.002;
const LOGIT: f32 = 0.05;
const GAP: f32 = 0.05;
/// Prompts whose continuation is also decoded, and how far.
const DECODED: [&str; 2] = ["english", "code"];
const DECODE_TOKENS: u32 = 8;

/// Characters of a prompt that software adapters are given in every run.
const SHORT: usize = 250;
/// The same where many kernels take turns at them.
const FEW: usize = 60;

fn load(file: &str, backend: Backend) -> Engine {
    load_with(file, LoadOptions { backend, ..Default::default() })
}

fn load_with(file: &str, options: LoadOptions) -> Engine {
    let path = models::path(file);
    let mut reader = std::fs::File::open(path).expect("the model opens");
    let mut loader = block_on(Loader::new(options)).expect("a device");
    let mut piece = vec![0; 1 << 20];
    for count in 1.. {
        let read = reader.read(&mut piece).expect("the model reads");
        if read == 0 {
            break;
        }
        loader.push(&piece[..read]).expect("a sound model");
        if count % 16 == 0 {
            block_on(loader.drain()).expect("a sound device");
        }
    }
    block_on(loader.finish()).expect("a whole model")
}

/// Scores every golden text, then feeds the golden continuation after it. All that is wrong, not only the first.
fn check(file: &str, golden_file: &str, backend: Backend, longest: usize) {
    check_with(&mut load(file, backend), golden_file, longest);
}

fn check_with(engine: &mut Engine, golden_file: &str, longest: usize) {
    let mut goldens: Vec<Golden> = golden(golden_file);
    for prompt in golden::<Vec<Named>>("prompts.json") {
        let found = goldens.iter().find(|g| g.name == prompt.name).expect("a golden for every prompt");
        assert_eq!(found.text, prompt.text, "{}", prompt.name);
    }
    goldens.retain(|g| g.text.len() <= longest);
    let mut wrong = Vec::new();
    for want in &goldens {
        let tokens = engine.encode(&Prompt::Raw(want.text.clone())).expect("tokens");
        let sequence = engine.open((tokens.len() + want.greedy_ids.len()) as u32).expect("a sequence");
        let score = block_on(eval::score_in(engine, sequence, tokens)).expect("a score");
        if score.tokens != want.token_ids {
            wrong.push(format!("{}: its ids are {:?}, not {:?}", want.name, score.tokens, want.token_ids));
            continue;
        }
        let nll = (score.nll_mean / want.mean_nll - 1.0).abs();
        if nll > NLL {
            wrong.push(format!("{}: mean NLL is {}, not {}", want.name, score.nll_mean, want.mean_nll));
        }
        let mut logit = 0f32;
        for &(id, value) in &want.top10 {
            match score.top.iter().find(|t| t.0 == id) {
                Some(found) => logit = logit.max((found.1 - value).abs()),
                // The tenth may have changed places with the eleventh.
                None => logit = logit.max(value - score.top[9].1),
            }
        }
        if logit > LOGIT {
            wrong.push(format!("{}: a best logit is off by {logit}: {:?}, not {:?}", want.name, score.top, want.top10));
        }
        let ties = continuation(engine, sequence, want, &score, &mut wrong);
        engine.close(sequence);
        println!("{:14} NLL off by {:.4}%, a logit by {logit:.4}, ties {ties:?}", want.name, nll * 100.0);
    }
    for want in goldens.iter().filter(|g| DECODED.contains(&g.name.as_str())) {
        wrong.extend(decoded(engine, want));
    }
    assert!(wrong.is_empty(), "{golden_file}:\n{}", wrong.join("\n"));
}

/// Feeds the golden continuation behind the prompt, whose keys and values scoring has left in the sequence. Returns the
/// gaps at which another token won by less than [`GAP`]; anything else is wrong.
fn continuation(
    engine: &mut Engine,
    sequence: SequenceId,
    want: &Golden,
    score: &Score,
    wrong: &mut Vec<String>,
) -> Vec<f32> {
    let n_vocab = engine.model.net.n_vocab as usize;
    // (best token, by how much) after the prompt and after each golden token but the last.
    let [best, second, ..] = score.top[..] else { panic!("ten best logits") };
    let mut found = vec![(best.0, best.1 - second.1)];
    let fed = &want.greedy_ids[..want.greedy_ids.len() - 1];
    for (chunk, start) in fed.chunks(16).zip((want.token_ids.len() as u32..).step_by(16)) {
        let batch = Batch { rows: rows(chunk, start, sequence.0, |_| true), prefill: true };
        let logits = block_on(engine.forward(&batch)).expect("logits");
        let index = found.len();
        found.extend(logits.chunks(n_vocab).zip(index..).map(|(row, i)| {
            let best = argmax(row);
            (best, row[best as usize] - row[want.greedy_ids[i] as usize])
        }));
    }
    let mut ties = Vec::new();
    for (i, (&(id, lead), &golden)) in found.iter().zip(&want.greedy_ids).enumerate() {
        if id != golden {
            let gap = want.greedy_gaps[i].unwrap_or(lead);
            if gap >= GAP {
                wrong.push(format!("{}: greedy token {i} is {id}, not {golden}, by a gap of {gap}", want.name));
            }
            ties.push(gap);
        }
    }
    ties
}

/// Decodes a few tokens as a user would.
fn decoded(engine: &mut Engine, want: &Golden) -> Option<String> {
    let options = GenerateOptions { max_tokens: Some(DECODE_TOKENS), ignore_eos: true, ..Default::default() };
    let mut generation = Generation::new(engine, &Prompt::Raw(want.text.clone()), options).expect("a generation");
    while block_on(generation.next(engine)).expect("a step").is_some() {}
    let differs = generation.tokens.iter().zip(&want.greedy_ids).position(|(a, b)| a != b)?;
    let gap = want.greedy_gaps[differs];
    let clear = gap.is_none_or(|gap| gap >= GAP);
    clear.then(|| format!("{}: decoded token {differs} differs by a gap of {gap:?}", want.name))
}

#[test]
fn smollm2_computes_its_goldens() {
    check(models::SMOLLM2, "smollm2-135m.json", Backend::Cpu, usize::MAX);
}

#[test]
fn gemma3_computes_its_goldens() {
    check(models::GEMMA, "gemma3-270m.json", Backend::Cpu, usize::MAX);
}

#[test]
fn smollm2_computes_its_short_goldens_on_the_gpu() {
    check(models::SMOLLM2, "smollm2-135m.json", Backend::Webgpu, SHORT);
}

#[test]
fn gemma3_computes_its_short_goldens_on_the_gpu() {
    check(models::GEMMA, "gemma3-270m.json", Backend::Webgpu, SHORT);
}

/// The kernels that any adapter may come to run, those of graphics cards among them, as far as this one can.
fn choices(usual: Choice, caps: &Caps) -> Vec<Choice> {
    let plain = Choice {
        reduce: Reduce::Tree,
        lanes: Lanes::Tree,
        many: ManyRows::Owned(X::Direct),
        single: SingleRow::Shared,
        prefill: Prefill::Row,
        ..usual
    };
    let tiles = Choice { many: ManyRows::Tile, prefill: Prefill::Tile, post: true, ..plain };
    let rows = Choice { single: SingleRow::Owned(X::Direct), prefill: Prefill::Owned, ..plain };
    let in_subgroups = |choice| Choice { reduce: Reduce::Subgroup, lanes: Lanes::Subgroup, ..choice };
    let in_quads = |choice| Choice { reduce: Reduce::Subgroup, lanes: Lanes::Quad, ..choice };
    let all = [
        (0, plain),
        (0, rows),
        (4, Choice { many: ManyRows::Owned(X::Quad), single: SingleRow::Owned(X::Quad), ..in_quads(rows) }),
        (8, Choice { many: ManyRows::Owned(X::Octet), single: SingleRow::Owned(X::Octet), ..in_quads(rows) }),
        (0, tiles),
        (4, Choice { kv: if caps.f16 { Kv::F16 } else { usual.kv }, ..in_subgroups(tiles) }),
        (0, Choice { many: ManyRows::TileDot, single: SingleRow::SharedDot, ..tiles }),
        (4, Choice { many: ManyRows::TileDot, single: SingleRow::SharedDot, ..in_subgroups(tiles) }),
    ];
    all.into_iter().filter(|(lanes, _)| *lanes <= caps.subgroup_min).map(|(_, choice)| choice).collect()
}

/// With each choice that is `wanted` in turn.
fn check_choices(file: &str, golden_file: &str, longest: usize, wanted: fn(&Choice) -> bool) {
    let (usual, caps) = {
        let engine = load(file, Backend::Webgpu);
        (engine.model.choice, engine.device.gpu().expect("a GPU").caps.clone())
    };
    for choice in choices(usual, &caps).into_iter().filter(wanted) {
        println!("{choice:?}");
        let options = LoadOptions { backend: Backend::Webgpu, choice: Some(choice), ..Default::default() };
        check_with(&mut load_with(file, options), golden_file, longest);
    }
}

#[test]
fn plain_choices_of_kernels_compute_a_few_goldens_of_smollm2() {
    check_choices(models::SMOLLM2, "smollm2-135m.json", FEW, |choice| !choice.post);
}

/// Gemma has the norms behind projections that these may add to the next product. Those without subgroups, which take as
/// long again, are among the ignored ones.
#[test]
fn tiled_choices_of_kernels_compute_a_few_goldens_of_gemma3() {
    check_choices(models::GEMMA, "gemma3-270m.json", FEW, |choice| choice.post && choice.lanes == Lanes::Subgroup);
}

#[test]
#[ignore = "takes a software adapter many minutes"]
fn every_choice_of_kernels_computes_the_short_goldens() {
    check_choices(models::SMOLLM2, "smollm2-135m.json", SHORT, |_| true);
    check_choices(models::GEMMA, "gemma3-270m.json", SHORT, |_| true);
}

#[test]
#[ignore = "takes a software adapter many minutes"]
fn all_goldens_on_the_gpu() {
    check(models::SMOLLM2, "smollm2-135m.json", Backend::Webgpu, usize::MAX);
    check(models::GEMMA, "gemma3-270m.json", Backend::Webgpu, usize::MAX);
}
