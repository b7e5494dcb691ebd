//! Files with what is no number in their weights: told, never vectors or scores that only look like some.

use crate::common::run::load;
use pollster::block_on;
use sotto::base::error::{Code, Result};
use sotto::device::Backend;
use sotto::file::gguf::HeaderParser;
use sotto::quant::TensorType;
use sotto::run::embed::EmbedOptions;
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use tiny_models::encoders;

/// The model with this in the first place of one of its tensors.
fn damaged(name: &str, tensor: &str, number: f32) -> Engine {
    let mut file = encoders::build(name).expect("a tiny model");
    let header = HeaderParser::new().push(&file).expect("a sound file").expect("a whole header").0;
    let tensor = header.catalog.tensor(tensor).unwrap_or_else(|| panic!("{name} has no {tensor}"));
    assert_eq!(tensor.kind, TensorType::F32, "{name}: {}", tensor.name);
    let at = tensor.offset as usize;
    file[at..at + 4].copy_from_slice(&number.to_le_bytes());
    load(&file, LoadOptions { backend: Backend::Cpu, context: Some(40), ..Default::default() }).expect("an engine")
}

/// Of one without end a head's tanh may make 1.
const IN_HEADS: [f32; 1] = [f32::NAN];
const IN_LAYERS: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];

fn check<T>(name: &str, tensor: &str, numbers: &[f32], give: impl Fn(&mut Engine) -> Result<T>) {
    for &number in numbers {
        let code = give(&mut damaged(name, tensor, number)).err().map(|error| error.code);
        assert_eq!(code, Some(Code::BadLogits), "{name}, {tensor}: {number}");
    }
}

const TEXT: [u32; 6] = [3, 1, 4, 1, 5, 9];

#[test]
fn scores_and_vectors_of_damaged_heads_are_refused() {
    for (name, tensor) in
        [("bert/rank", "cls.weight"), ("bert/rank", "cls.output.weight"), ("bert/labels", "cls.output.weight")]
    {
        check(name, tensor, &IN_HEADS, |engine| block_on(engine.classify(&[TEXT.to_vec()])));
    }
    for tensor in ["dense_2.weight", "dense_3.weight"] {
        check("gemma-embedding", tensor, &IN_HEADS, |engine| {
            block_on(engine.embed(&[TEXT.to_vec()], &EmbedOptions::default()))
        });
    }
    for tensor in ["cls.weight", "cls.bias"] {
        check("bert/words", tensor, &IN_HEADS, |engine| block_on(engine.fill(TEXT.to_vec(), 2)));
    }
}

/// What activations limit, or make nothing of, must not hide it.
#[test]
fn damage_goes_through_activations() {
    for (name, tensor) in [
        ("bert", "blk.1.ffn_up.weight"),
        ("bert", "blk.1.ffn_up.bias"),
        ("modern-bert", "blk.1.ffn_up.weight"),
        ("jina-bert-v2", "blk.1.ffn_gate.weight"),
    ] {
        check(name, tensor, &IN_LAYERS, |engine| block_on(engine.embed(&[TEXT.to_vec()], &EmbedOptions::default())));
    }
}

#[test]
fn tokens_that_a_caller_gives_are_the_models() {
    use sotto::wire::embed::{EmbedOptions, Input, ScoringOptions, embed, scores};
    let file = encoders::build("bert/labels").expect("a tiny model");
    let mut engine = load(&file, LoadOptions { backend: Backend::Cpu, ..Default::default() }).expect("an engine");
    let n_vocab = engine.model.net.n_vocab;
    for tokens in [vec![], vec![n_vocab], vec![3, 1 << 24 | 3]] {
        let error =
            block_on(embed(&mut engine, vec![Input::Tokens(tokens)], EmbedOptions::default())).expect_err("an error");
        assert_eq!(error.code, Code::BadOption, "{error}");
    }
    // Labels are no ranks.
    let error =
        block_on(scores(&mut engine, Some("a"), &["b".into()], ScoringOptions::default())).expect_err("an error");
    assert_eq!(error.code, Code::BadOption, "{error}");
    assert!(error.message.contains("LABEL_0"), "{error}");
}
