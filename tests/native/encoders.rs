//! Models that embed: `tests/tiny/encoders.rs` on both backends, against float64.

use std::collections::BTreeMap;

use crate::common::run::{golden, load, on_both_backends};
use pollster::block_on;
use sotto::base::error::Code;
use sotto::device::Backend;
use sotto::kernels::cell;
use sotto::model::spec::Pooling;
use sotto::run::embed::EmbedOptions;
use sotto::run::engine::{Engine, Prompt};
use sotto::run::loader::LoadOptions;
use sotto::run::session::{GenerateOptions, Generation};
use sotto::wire::embed::{EmbeddingInfo, FillOptions, fill};
use tiny_models::encoders::{ROWS, build};

/// `tests/golden/encoders.json`: of each row some texts, their states and their scores.
#[derive(serde::Deserialize)]
struct Golden {
    ids: Vec<u32>,
    types: Vec<u32>,
    mean: Vec<f32>,
    cls: Vec<f32>,
    last: Vec<f32>,
    scores: Option<Vec<f32>>,
    /// Logits of words in the middle one's place, one of so many.
    words: Option<Vec<f32>>,
}

const STRIDE: usize = 11;

impl Golden {
    fn text(&self) -> Vec<u32> {
        self.ids.iter().zip(&self.types).map(|(id, kind)| id | kind << cell::TOKEN.count_ones()).collect()
    }
}

fn engine(name: &str, backend: Backend, max_rows: Option<u32>) -> Engine {
    let options = LoadOptions { backend, max_rows, context: Some(40), ..Default::default() };
    load(&build(name).expect("a tiny model"), options).expect("an engine")
}

type Vector = fn(&Golden) -> &Vec<f32>;
const WAYS: [(Pooling, Vector); 3] = [
    (Pooling::Mean, |golden| &golden.mean),
    (Pooling::Cls, |golden| &golden.cls),
    (Pooling::Last, |golden| &golden.last),
];

/// Squared distances over squares.
fn error(got: &[f32], want: &[f32]) -> f64 {
    assert_eq!(got.len(), want.len());
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>();
    let distance = squares(&mut got.iter().zip(want).map(|(got, want)| f64::from(got - want)));
    distance / squares(&mut want.iter().map(|&want| f64::from(want)))
}

on_both_backends!(states_and_scores_are_those_of_the_reference);

fn states_and_scores_are_those_of_the_reference(backend: Backend) {
    let goldens: BTreeMap<String, Vec<Golden>> = golden("encoders.json");
    assert_eq!(goldens.len(), ROWS.len());
    for row in ROWS {
        let rows = &goldens[&row.name.replace('/', "-")];
        let texts: Vec<Vec<u32>> = rows.iter().map(Golden::text).collect();
        // All texts in one batch; in two; in pieces, where no token sees those behind it.
        let pieces = (row.name == "qwen3/last").then_some(16);
        for max_rows in [64, 40].into_iter().chain(pieces) {
            let mut engine = engine(row.name, backend, Some(max_rows));
            for (pooling, want) in WAYS {
                let options = EmbedOptions { pooling: Some(pooling), normalize: false, ..Default::default() };
                let found = block_on(engine.embed(&texts, &options)).expect("embeddings");
                for (embedding, golden) in found.iter().zip(rows) {
                    let error = error(&embedding.values, want(golden));
                    assert!(error < 1e-9, "{} {pooling:?} of {}: {error:e}", row.name, golden.ids.len());
                    assert_eq!((embedding.tokens, embedding.dimensions), (golden.ids.len(), golden.mean.len()));
                }
            }
            for golden in rows.iter().filter(|golden| golden.scores.is_some()) {
                let scores = block_on(engine.classify(&[golden.text()])).expect("scores");
                let error = error(&scores[0], golden.scores.as_ref().expect("it has some"));
                assert!(error < 1e-9, "{} scores of {}: {error:e}", row.name, golden.ids.len());
            }
            for golden in rows.iter().filter(|golden| golden.words.is_some()) {
                let words = block_on(engine.fill(golden.text(), golden.ids.len() / 2)).expect("logits");
                let words: Vec<f32> = words.into_iter().step_by(STRIDE).collect();
                let error = error(&words, golden.words.as_ref().expect("it has some"));
                assert!(error < 1e-9, "{} words of {}: {error:e}", row.name, golden.ids.len());
            }
        }
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
