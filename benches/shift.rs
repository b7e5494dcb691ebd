//! `cargo bench --bench shift -- MODEL… [--text FILE] [--tokens 2048] [--context 512]`: what a context that shifts costs of a text's
//! likelihood. The text is read whole; with a context that shifts a quarter when it is full; and with one in which what is left is
//! read again then. Of the tokens behind the first context, the mean of -ln p; and how many tokens were computed.

mod loading;

use loading::load;
use pollster::block_on;
use sotto::base::cancel::Cancel;
use sotto::base::error::Result;
use sotto::model::store::SequenceId;
use sotto::run::batch::{Batch, Row};
use sotto::run::engine::Engine;
use sotto::run::shift::Gap;
use sotto::text::tokenizer::EncodeOptions;

/// Tokens at the beginning that stay.
const SINKS: usize = 4;

#[derive(Clone, Copy, PartialEq)]
enum Full {
    /// It never is.
    Never,
    /// The rest is moved.
    Moves,
    /// The rest is read again.
    ReadsAgain,
    /// All is forgotten but the sinks.
    Forgets,
}

fn main() {
    let given: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let value = |name: &str| given.iter().position(|arg| arg == name).and_then(|at| given.get(at + 1));
    let number = |name: &str, usual: usize| value(name).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (tokens, context) = (number("--tokens", 2048), number("--context", 512));
    let path = value("--text").map_or(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ARCHITECTURE.md"), String::as_str);
    let text = std::fs::read_to_string(path).expect("a text");
    println!("| model | | mean NLL | perplexity | tokens computed |\n|---|---|---|---|---|");
    for model in given.iter().filter(|arg| arg.ends_with(".gguf")) {
        if let Err(error) = measure(model, &text, tokens, context) {
            eprintln!("{model}: {error}");
            std::process::exit(1);
        }
    }
}

fn measure(model: &str, text: &str, tokens: usize, context: usize) -> Result<()> {
    let name = model.rsplit('/').next().unwrap_or(model);
    for (how, full, context) in [
        ("read whole", Full::Never, tokens),
        ("shifted", Full::Moves, context),
        ("what is left read again", Full::ReadsAgain, context),
        ("all forgotten but four", Full::Forgets, context),
    ] {
        let mut engine = load(model, context as u32)?;
        let mut read = engine.tokenizer.encode(text, EncodeOptions { add_special: true, parse_special: false })?;
        read.truncate(tokens);
        let mut reader = Reader::new(&mut engine, context)?;
        let first = if full == Full::Never { tokens / 4 } else { context };
        let nll = reader.read(&read, first, full)?;
        println!("| {name} | {how} | {nll:.4} | {:.2} | {} |", nll.exp(), reader.computed);
    }
    Ok(())
}

/// What reads a text into a sequence.
struct Reader<'a> {
    engine: &'a mut Engine,
    id: SequenceId,
    context: usize,
    /// Tokens of the context.
    text: Vec<u32>,
    computed: usize,
}

impl<'a> Reader<'a> {
    fn new(engine: &'a mut Engine, context: usize) -> Result<Self> {
        let id = engine.open(context as u32)?;
        Ok(Reader { engine, id, context, text: Vec::new(), computed: 0 })
    }

    /// The mean of -ln p of the tokens from the `first` on.
    fn read(&mut self, tokens: &[u32], first: usize, full: Full) -> Result<f64> {
        let (mut nll, mut at) = (0.0, 0);
        while at < tokens.len() {
            if self.text.len() == self.context {
                self.make_room(full)?;
            }
            let count = (self.context - self.text.len()).min(tokens.len() - at);
            let lost = self.push(&tokens[at..at + count], &tokens[at + 1..tokens.len().min(at + count + 1)])?;
            nll += lost.iter().zip(at + 1..).filter(|(_, place)| *place >= first).map(|(lost, _)| lost).sum::<f64>();
            at += count;
        }
        Ok(nll / (tokens.len() - first) as f64)
    }

    fn make_room(&mut self, full: Full) -> Result<()> {
        let (quarter, id) = (self.context / 4, self.id);
        let goes = if full == Full::Forgets { self.context - SINKS } else { quarter };
        let left = [&self.text[..SINKS], &self.text[SINKS + goes..]].concat();
        if full == Full::Moves {
            let gap = Gap { id, before: SINKS, count: goes, behind: left.len() - SINKS };
            let cancel = Cancel::default();
            assert!(block_on(self.engine.cut(gap, &cancel, &cancel))?, "there is room");
            self.text = left;
        } else {
            self.engine.model.kv_mut().rewind(id, 0);
            self.text.clear();
            self.push(&left, &left[1..])?;
        }
        Ok(())
    }

    /// Reads tokens, and gives -ln p of those behind each.
    fn push(&mut self, tokens: &[u32], next: &[u32]) -> Result<Vec<f64>> {
        let vocab = self.engine.model.net.n_vocab as usize;
        let step = self.engine.model.sizes.max_outputs as usize;
        let mut lost = Vec::new();
        for (chunk, next) in tokens.chunks(step).zip(next.chunks(step).chain(std::iter::repeat(&[][..]))) {
            let from = self.text.len() as u32;
            let row = |(&token, position)| Row { token, position, sequence: self.id, logits: true };
            let rows = chunk.iter().zip(from..).map(row).collect();
            let logits = block_on(self.engine.forward(&Batch { rows, prefill: true }))?;
            self.engine.model.kv_mut().push(self.id, chunk);
            self.text.extend(chunk);
            self.computed += chunk.len();
            let of = |(row, next): (&[f32], &u32)| log_sum_exp(row) - f64::from(row[*next as usize]);
            lost.extend(logits.chunks_exact(vocab).zip(next).map(of));
        }
        Ok(lost)
    }
}

fn log_sum_exp(logits: &[f32]) -> f64 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max) as f64;
    top + logits.iter().map(|&l| (l as f64 - top).exp()).sum::<f64>().ln()
}
