//! The architectures that are compared with llama.cpp alone: `tests/tiny/archs.rs`, a row each, on both backends.

use std::collections::BTreeMap;

use crate::common::run::{golden, load, log_sum_exp, on_both_backends, rows};
use pollster::block_on;
use sotto::base::error::Code;
use sotto::base::precision::KvType;
use sotto::device::Backend;
use sotto::file::gguf::HeaderParser;
use sotto::model;
use sotto::run::batch::{Batch, Row};
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use tiny_models::archs::ROWS;

/// `tests/golden/archs.json`: of each row llama.cpp's logits after some tokens of the prompt, every so many of them, and
/// their logsumexp after every token.
#[derive(serde::Deserialize)]
struct Goldens {
    prompt: Vec<u32>,
    rows: Vec<usize>,
    stride: usize,
    archs: BTreeMap<String, Golden>,
}

#[derive(serde::Deserialize)]
struct Golden {
    logits: Vec<Vec<f32>>,
    logsumexp: Vec<f64>,
}

/// The largest error: squared distances from llama.cpp's logits over their squares; and of a logsumexp.
const MOST: f64 = 1e-6;
const MOST_OF_A_SUM: f64 = 5e-3;

on_both_backends!(every_architecture_computes_what_llama_cpp_does);

fn every_architecture_computes_what_llama_cpp_does(backend: Backend) {
    let goldens: Goldens = golden("archs.json");
    assert_eq!(goldens.archs.len(), ROWS.len());
    let mut failures = Vec::new();
    for row in ROWS {
        let golden = &goldens.archs[&row.name.replace('/', "-")];
        let options = LoadOptions { backend, kv: KvType::F32, max_rows: Some(16), ..Default::default() };
        let mut engine = match load(&row.assemble().to_bytes(), options) {
            Ok(engine) => engine,
            Err(error) => {
                failures.push(format!("{}: {error}", row.name));
                continue;
            }
        };
        let logits = run(&mut engine, &goldens.prompt);
        let of = |decoded: bool| error(&goldens, golden, &logits, decoded);
        let (prefilled, decoded, sums) = (of(false), of(true), sums(golden, &logits));
        println!("{:20} {backend:?}: prefilled {prefilled:.1e}, decoded {decoded:.1e}, sums {sums:.1e}", row.name);
        // What is no number is too large as well.
        if !(prefilled.max(decoded) <= MOST && sums <= MOST_OF_A_SUM) {
            failures.push(format!("{}: prefilled {prefilled:.1e}, decoded {decoded:.1e}, sums {sums:.1e}", row.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Tokens of the prompt that are prefilled; the others are decoded.
const PREFILLED: u32 = 26;

/// The prompt in two sequences at once: [sequence][position][n_vocab]. It is cut unlike in both: prefilled together and
/// alone, decoded two, one and three tokens at a time.
fn run(engine: &mut Engine, prompt: &[u32]) -> [Vec<Vec<f32>>; 2] {
    let sequences = [0, 1].map(|_| engine.open(prompt.len() as u32).expect("a sequence"));
    let mut logits = [Vec::new(), Vec::new()];
    let mut step = |parts: &[(usize, std::ops::Range<u32>)], prefill: bool| {
        let part = |&(of, ref at): &(usize, std::ops::Range<u32>)| -> Vec<Row> {
            rows(&prompt[at.start as usize..at.end as usize], at.start, sequences[of].0, |_| true)
        };
        let batch = Batch { rows: parts.iter().flat_map(part).collect(), prefill };
        let found = block_on(engine.forward(&batch)).expect("logits");
        let n_vocab = engine.model.net.n_vocab as usize;
        for (row, logit) in batch.rows.iter().zip(found.chunks(n_vocab)) {
            let of = sequences.iter().position(|sequence| *sequence == row.sequence).expect("one of the two");
            logits[of].push(logit.to_vec());
        }
    };
    step(&[(0, 0..9), (1, 0..5)], true);
    step(&[(0, 9..25)], true);
    step(&[(1, 5..12)], true);
    step(&[(0, 25..26), (1, 12..26)], true);
    (PREFILLED..30).for_each(|p| step(&[(1, p..p + 1), (0, p..p + 1)], false));
    (30..40).for_each(|p| step(&[(0, p..p + 1)], false));
    (30..39).step_by(3).for_each(|p| step(&[(1, p..p + 3)], false));
    step(&[(1, 39..40)], false);
    sequences.into_iter().for_each(|sequence| engine.close(sequence));
    logits
}

/// The error of the logits that the golden has, of both sequences.
fn error(goldens: &Goldens, golden: &Golden, logits: &[Vec<Vec<f32>>; 2], decoded: bool) -> f64 {
    let mut sums = [0.0; 2];
    for sequence in logits {
        for (&row, want) in goldens.rows.iter().zip(&golden.logits) {
            if (row as u32 >= PREFILLED) != decoded {
                continue;
            }
            for (got, want) in sequence[row].iter().step_by(goldens.stride).zip(want) {
                let (got, want) = (f64::from(*got), f64::from(*want));
                sums[0] += (got - want).powi(2);
                sums[1] += want.powi(2);
            }
        }
    }
    sums[0] / sums[1]
}

/// The largest error of a logsumexp.
fn sums(golden: &Golden, logits: &[Vec<Vec<f32>>; 2]) -> f64 {
    let pairs = logits.iter().flat_map(|sequence| sequence.iter().zip(&golden.logsumexp));
    pairs.map(|(logits, want)| (log_sum_exp(logits) - want).abs()).fold(0.0, |most, error| match error.is_nan() {
        true => f64::INFINITY,
        false => most.max(error),
    })
}

#[test]
fn each_of_their_tensors_counts() {
    let read = |file: tiny_models::gguf::Gguf| {
        let (header, _) = HeaderParser::new().push(&file.to_bytes()).expect("a sound header").expect("a whole header");
        model::read(&header.catalog)
    };
    // Without these it is another model: tied, with the plain rotation, as XLM-RoBERTa, or of a head without biases.
    let optional = ["output.weight", "rope_freqs.weight", "token_types.weight"];
    let biases = ["cls.bias", "cls.norm.bias", "cls.output.bias", "output.bias"];
    let optional = |row: &tiny_models::archs::Row, name: &str| {
        optional.contains(&name) || row.name != "phi2" && biases.contains(&name)
    };
    for row in ROWS.iter().chain(tiny_models::encoders::ROWS).filter(|row| row.dims.n_layers < 8) {
        let file = row.assemble();
        for (index, name) in file.tensors.iter().enumerate().map(|(index, tensor)| (index, tensor.name.clone())) {
            let mut without = file.clone();
            without.tensors.remove(index);
            let found = read(without);
            if optional(row, &name) {
                assert!(found.is_ok(), "{} without {name}: {found:?}", row.name);
            } else {
                let code = found.map_err(|error| error.code);
                let missing = code == Err(Code::MissingTensor) || code == Err(Code::UnsupportedArchitecture);
                assert!(missing, "{} without {name}: {code:?}", row.name);
            }
            if row.name == "qwen3/last" && name == "output.weight" {
                // What a model that embeds has of the one that it was trained from.
                continue;
            }
            let mut other = file.clone();
            let tensor = &mut other.tensors[index];
            tensor.data.resize(tensor.data.len() / tensor.shape[0] as usize * (tensor.shape[0] as usize + 32), 0);
            tensor.shape[0] += 32;
            assert_eq!(read(other).map_err(|error| error.code), Err(Code::BadShape), "{}: {name}", row.name);
        }
        let mut more = file.clone();
        more.tensor("blk.0.attn_output.weight").name = "blk.0.attn_rel_b.weight".into();
        let unclaimed = file.tensors.iter().find(|tensor| tensor.name == "blk.0.attn_output.weight").cloned();
        more.tensors.extend(unclaimed);
        let error = read(more).expect_err("a tensor that nobody claims");
        assert!(error.code == Code::UnsupportedArchitecture && error.message.contains("attn_rel_b"), "{error}");
    }
}

#[test]
fn every_architecture_has_a_tiny_model() {
    let described = crate::common::described::DESCRIBED;
    for arch in model::arch::names() {
        let rows = || ROWS.iter().chain(tiny_models::encoders::ROWS);
        assert!(described.contains(&arch) || rows().any(|row| row.arch() == arch), "{arch} has none");
    }
}
