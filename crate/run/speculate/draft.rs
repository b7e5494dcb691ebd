//! A smaller model of the same vocabulary guesses what comes next: the tokens that it finds likeliest (Leviathan et al. 2023). It
//! is an engine of its own, with a cache of its own, in which it follows the text.

use crate::bail;
use crate::base::cancel::Cancel;
use crate::base::error::Result;
use crate::base::platform::Instant;
use crate::model::store::SequenceId;
use crate::run::engine::Engine;
use crate::run::sampler::SamplingParams;
use crate::run::session::{GenerateOptions, Generation};
use crate::run::speculate::Speculate;
use crate::run::speculate::worth::{self, Worth};

/// As many tokens in common with an earlier place as a guess of a draft's counts for at first: it is right as often.
pub const TRUST: usize = 4;

/// A model that guesses for another.
pub struct Draft {
    engine: Engine,
    /// Its numbers were none once: it is not asked again.
    pub(super) failed: bool,
    /// Where it read the text last.
    sequence: Option<SequenceId>,
    /// What its guesses are worth, with the time that they take.
    pub worth: Worth,
}

impl Draft {
    /// `OtherVocabulary` where a token of one is not the same of the other; `BadOption` where it writes no texts.
    fn new(engine: Engine, target: &Engine) -> Result<Draft> {
        engine.check_writes()?;
        let (ours, theirs) = (&engine.tokenizer, &target.tokenizer);
        // Where the logits are more than the tokens, the rest is never written.
        let all = ours.n_vocab().max(theirs.n_vocab()) as u32;
        let differs = (0..all).find(|&id| ours.token_text(id) != theirs.token_text(id));
        if let Some(id) = differs {
            let shown = |text: Option<&str>| text.map_or("nothing".into(), |text| format!("{text:?}"));
            bail!(
                OtherVocabulary,
                "The draft '{}' has another vocabulary than '{}': token {id} is {} in one and {} in the other; take a smaller model of the same family.",
                engine.name,
                target.name,
                shown(ours.token_text(id)),
                shown(theirs.token_text(id))
            );
        }
        Ok(Draft { engine, failed: false, sequence: None, worth: Worth::default() })
    }

    /// Whether it guesses what comes after a text, and has room for so many tokens.
    pub fn holds(&self, tokens: usize) -> bool {
        !self.failed && tokens <= self.engine.model.sizes.context as usize
    }

    /// At most `count` tokens as it would go on with the text, fewer where it would end it; and the milliseconds that they took,
    /// without those of reading a text that is new. `Aborted` where the work was cancelled meanwhile; else as its device fails.
    pub async fn guess(&mut self, text: &[u32], count: usize, cancel: &Cancel) -> Result<(Vec<u32>, f64)> {
        let started = Instant::now();
        let engine = &mut self.engine;
        let known = self.sequence.and_then(|id| engine.model.kv().get(id).ok());
        if let Some(sequence) = known {
            // What it guessed wrongly goes, so that it goes on in place.
            let same = sequence.tokens.iter().zip(text).take_while(|(a, b)| a == b).count();
            let id = sequence.id;
            engine.model.kv_mut().rewind(id, same as u32);
        }
        engine.within(cancel.clone());
        let options = GenerateOptions {
            sampling: SamplingParams::default(),
            max_tokens: Some(count as u32),
            speculate: Speculate::OFF,
            ..Default::default()
        };
        let mut reply = Generation::with_tokens(engine, text.to_vec(), options)?;
        self.sequence = reply.sequence();
        // A generation may ask a draft, as this one does not: but its type knows only of the first.
        while Box::pin(reply.next(engine)).await?.is_some() {}
        cancel.check()?;
        let is_new = text.len() - reply.timings.cached_tokens > worth::MOST + 1;
        let reading = if is_new { reply.timings.prefill_ms } else { 0.0 };
        Ok((reply.tokens, started.elapsed().as_secs_f64() * 1e3 - reading))
    }
}

impl Engine {
    /// From here on `draft` guesses what this one writes; its backend should be the same. `OtherVocabulary` where their tokens
    /// are not the same.
    pub fn set_draft(&mut self, draft: Engine) -> Result<()> {
        self.draft = Some(Box::new(Draft::new(draft, self)?));
        Ok(())
    }
}
