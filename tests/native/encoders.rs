//! Models that embed: `tests/tiny/encoders.rs` on both backends, against float64.

use std::collections::BTreeMap;

use crate::common::run::{golden, load, on_both_backends};
use pollster::block_on;
use sotto::base::error::Code;
use sotto::device::Backend;
use sotto::model::spec::Pooling;
use sotto::run::embed::EmbedOptions;
use sotto::run::engine::{Engine, Prompt};
use sotto::run::loader::LoadOptions;
use sotto::run::session::{GenerateOptions, Generation};
use sotto::wire::embed::{EmbeddingInfo, FillOptions, fill};
use tiny_models::encoders::{ROWS, build};
use whole_models::encoders::{Golden, check, error};

fn engine(name: &str, backend: Backend, max_rows: Option<u32>) -> Engine {
    let options = LoadOptions { backend, max_rows, context: Some(40), ..Default::default() };
    load(&build(name).expect("a tiny model"), options).expect("an engine")
}

on_both_backends!(states_and_scores_are_those_of_the_reference);

fn states_and_scores_are_those_of_the_reference(backend: Backend) {
    let goldens: BTreeMap<String, Vec<Golden>> = golden("encoders.json");
    assert_eq!(goldens.len(), ROWS.len());
    for row in ROWS {
        let rows = &goldens[&row.name.replace('/', "-")];
        let measures = block_on(check(row, rows, LoadOptions { backend, ..Default::default() })).expect("a model");
        let failure = whole_models::failure(&measures);
        assert!(failure.is_none(), "{}: {}", row.name, failure.unwrap_or_default());
    }
}

#[test]
fn vectors_are_cut_and_have_length_one() {
    let mut engine = engine("bert", Backend::Cpu, None);
    let texts = [vec![3, 1, 4, 1, 5], vec![9]];
    let whole = block_on(engine.embed(&texts, &EmbedOptions { normalize: false, ..Default::default() })).expect("some");
    let options = EmbedOptions { dimensions: Some(32), ..Default::default() };
    let cut = block_on(engine.embed(&texts, &options)).expect("some");
    for (whole, cut) in whole.iter().zip(&cut) {
        let length = whole.values[..32].iter().map(|x| x * x).sum::<f32>().sqrt();
        let want: Vec<f32> = whole.values[..32].iter().map(|x| x / length).collect();
        assert!(error(&cut.values, &want) < 1e-12);
    }
    // Each token's vector, of which the first is that of its text's first token.
    let options = EmbedOptions { pooling: Some(Pooling::None), ..Default::default() };
    let each = block_on(engine.embed(&texts, &options)).expect("some");
    assert_eq!(each[0].values.len(), 5 * 96);
    let options = EmbedOptions { pooling: Some(Pooling::Cls), ..Default::default() };
    let first = block_on(engine.embed(&texts, &options)).expect("some");
    assert!(error(&each[0].values[..96], &first[0].values) < 1e-12);
}

#[test]
fn a_masked_word_is_filled_in_by_its_likeliest_tokens() {
    let mut engine = engine("bert/words", Backend::Cpu, None);
    assert_eq!(EmbeddingInfo::of(&engine).expect("it embeds").mask.as_deref(), Some("[MASK]"));
    let (tokens, place) = engine.encode_masked("The quick [MASK] fox.").expect("one mask");
    assert_eq!(tokens[place], engine.tokenizer.mask().expect("a mask token"));
    let logits = block_on(engine.fill(tokens, place)).expect("logits");
    let filled = block_on(fill(&mut engine, "The quick [MASK] fox.", FillOptions { top: 3 })).expect("words");
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).expect("a vocabulary").0;
    assert_eq!((filled.len(), filled[0].id as usize), (3, best));
    let sum: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
    let share = f64::from(logits[best]).exp() / sum;
    assert!((f64::from(filled[0].score) - share).abs() < 1e-6 && filled[0].score >= filled[1].score);
    assert_eq!(Some(&*filled[0].token), engine.tokenizer.token_text(filled[0].id));
    let mut fails =
        |text: &str| block_on(fill(&mut engine, text, FillOptions::default())).expect_err("one mask too few or many");
    for (text, count) in [("the fox", 0), ("[MASK] and [MASK]", 2)] {
        let error = fails(text);
        assert!(error.code == Code::BadOption && error.message.contains(&format!("has {count} masked")), "{error}");
    }
    assert_eq!(fails(&format!("[MASK]{}", " fox".repeat(50))).code, Code::PromptTooLong);
    // Models without a head for words, or that write.
    let mut other = self::engine("bert", Backend::Cpu, None);
    let error = block_on(fill(&mut other, "The [MASK].", FillOptions::default())).expect_err("no head");
    assert!(error.code == Code::BadOption && error.message.contains("cls.norm.weight"), "{error}");
    assert_eq!(EmbeddingInfo::of(&other).expect("it embeds").mask, None);
}

/// What converters leave out: without BERT's pooler scores would be wrong.
#[test]
fn a_reranker_without_its_pooler_is_refused_by_its_header() {
    for name in ["bert/rank", "jina-bert-v2/rank"] {
        let mut file = ROWS.iter().find(|row| row.name == name).expect("a reranker").assemble();
        file.tensors.retain(|tensor| !tensor.name.starts_with("cls."));
        // As llama.cpp has Jina's: the classifier by the pooler's name.
        let classifier =
            tiny_models::gguf::Tensor { name: "cls.weight".into(), ..file.tensor("token_embd_norm.weight").clone() };
        for more in [None, Some(classifier)] {
            let mut file = file.clone();
            file.tensors.extend(more);
            let options = LoadOptions { backend: Backend::Cpu, ..Default::default() };
            let error = load(&file.to_bytes(), options).map(|_| ()).expect_err("no pooler");
            assert!(error.code == Code::MissingTensor && error.message.contains("pooler"), "{error}");
        }
    }
}

#[test]
fn what_a_model_cannot_do_is_an_error() {
    let mut embeds = engine("bert", Backend::Cpu, None);
    let code = |error: sotto::base::error::Error| error.code;
    let none = EmbedOptions::default();
    let wide = EmbedOptions { dimensions: Some(97), ..Default::default() };
    assert_eq!(block_on(embeds.embed(&[vec![1]], &wide)).map_err(code), Err(Code::BadOption));
    assert_eq!(block_on(embeds.embed(&[vec![1; 41]], &none)).map_err(code), Err(Code::PromptTooLong));
    assert_eq!(block_on(embeds.embed(&[vec![]], &none)).map_err(code), Err(Code::PromptTooLong));
    assert_eq!(block_on(embeds.embed(&[vec![1 << 23]], &none)).map_err(code), Err(Code::BadMetadata));
    assert_eq!(block_on(embeds.embed(&[vec![1 | 2 << 24]], &none)).map_err(code), Err(Code::BadMetadata));
    assert_eq!(block_on(embeds.classify(&[vec![1]])).map_err(code), Err(Code::BadOption));
    let prompt = Prompt::Text("hello".into());
    let written = Generation::new(&mut embeds, &prompt, GenerateOptions::default());
    assert_eq!(written.map(|_| ()).map_err(code), Err(Code::BadOption));
    assert_eq!(block_on(sotto::eval::score(&mut embeds, "hello")).map(|_| ()).map_err(code), Err(Code::BadOption));
    let options = LoadOptions { backend: Backend::Cpu, ..Default::default() };
    let mut writes = load(&tiny_models::build("llama-f32").expect("a tiny model"), options).expect("an engine");
    assert_eq!(block_on(writes.embed(&[vec![1]], &none)).map_err(code), Err(Code::BadOption));
    assert_eq!(block_on(embeds.embed(&[], &none)), Ok(Vec::new()));
}
