//! Texts to vectors: the states of a model that embeds, pooled, and a classifier's scores of them.
//!
//! Texts are sorted by length and share batches row by row, each a sequence of its own: nothing is padded.

use std::cmp::Reverse;

use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::device::memory::Memory;
use crate::device::recording::Recording;
use crate::kernels::cell;
use crate::model::adapter::Blend;
use crate::model::spec::{Gives, Head, Pooling};
use crate::run::adapters::Wanted;
use crate::run::batch::{Batch, Row};
use crate::run::decode;
use crate::run::engine::Engine;
use crate::text::template::encode_rerank;
use crate::text::tokenizer::Input;

/// What a language model that ranks says of a document.
const YES: &str = "yes";
const NO: &str = "no";
/// Prompts whose logits are kept at a time.
const AT_ONCE: usize = 8;

/// How texts are embedded.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbedOptions {
    /// How the states of a text's tokens become one; `None`: as the file says.
    pub pooling: Option<Pooling>,
    /// Vectors get the length 1.
    pub normalize: bool,
    /// Numbers that are kept of each vector, the first ones; `None`: all (Matryoshka, Kusupati et al. 2022).
    pub dimensions: Option<u32>,
    /// The adapters that texts are read with, by name, and how much of each.
    pub adapter: Wanted,
}

impl Default for EmbedOptions {
    fn default() -> Self {
        EmbedOptions { pooling: None, normalize: true, dimensions: None, adapter: Wanted::new() }
    }
}

/// What a text became.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// Its tokens.
    pub tokens: usize,
    /// Numbers of a vector.
    pub dimensions: usize,
    /// [dimensions]; without pooling [tokens][dimensions].
    pub values: Vec<f32>,
}

impl Engine {
    /// The tokens of a text as the model was trained to read it, or of two that it compares, with their types above the 24
    /// bits of an id. It is number `index`, for errors.
    ///
    /// Errors: those of the tokenizer; `PromptTooLong` where the text does not fit, and is not to be cut.
    pub fn encode_for_states(
        &self,
        index: usize,
        text: &str,
        second: Option<&str>,
        truncate: bool,
    ) -> Result<Vec<u32>> {
        let limit = if truncate { self.model.sizes.context as usize } else { usize::MAX };
        // Texts are between the marks that the model knows, and name none of them.
        let input = match second {
            None => self.tokenizer.encode_text(text, limit, false)?,
            Some(second) => self.tokenizer.encode_pair(text, second, limit, false)?,
        };
        self.typed(index, input)
    }

    /// The tokens of the prompt by which a language model ranks a document, number `index`. Errors: those of
    /// [`encode_rerank`]; `PromptTooLong` where the prompt does not fit, and is not to be cut.
    pub fn encode_for_yes(
        &self,
        index: usize,
        prompt: &str,
        query: &str,
        document: &str,
        truncate: bool,
    ) -> Result<Vec<u32>> {
        let limit = if truncate { self.model.sizes.context as usize } else { usize::MAX };
        let ids = encode_rerank(&self.tokenizer, prompt, query, document, limit)?;
        let types = vec![0; ids.len()];
        self.typed(index, Input { ids, types, truncated: false })
    }

    /// The tokens of a text in which one word is masked, and which it is. Errors: those of the tokenizer; `PromptTooLong`;
    /// `BadOption` where the model knows no mask, or the text has none or several.
    pub fn encode_masked(&self, text: &str) -> Result<(Vec<u32>, usize)> {
        self.words()?;
        let Some((mask, name)) = self.tokenizer.mask().and_then(|id| Some((id, self.tokenizer.token_text(id)?))) else {
            bail!(BadOption, "This model's file names no mask token; take a masked language model.")
        };
        let input = self.tokenizer.encode_text(text, usize::MAX, true)?;
        let places: Vec<usize> = (0..input.ids.len()).filter(|&at| input.ids[at] == mask).collect();
        let &[at] = &places[..] else {
            bail!(BadOption, "The text has {} masked words; give one, written {name}.", places.len())
        };
        Ok((self.typed(0, input)?, at))
    }

    fn typed(&self, index: usize, Input { ids, types, .. }: Input) -> Result<Vec<u32>> {
        let most = self.model.sizes.context as usize;
        if ids.is_empty() {
            bail!(BadOption, "Text {index} is empty, and this model has no token for that; give some text.");
        }
        if ids.len() > most {
            bail!(
                PromptTooLong,
                "Text {index} has {} tokens, but the context holds {most}; give shorter texts, truncate where the call takes it, or load with a larger contextLength if the model was trained with one.",
                ids.len()
            );
        }
        let typed = self.model.net.token_types.is_some_and(|types| types > 1);
        let word = |(id, kind): (u32, u32)| if typed { id | kind << cell::TOKEN.count_ones() } else { id };
        Ok(ids.into_iter().zip(types).map(word).collect())
    }

    /// The vectors of texts, given as tokens. A generation under way ends by it.
    ///
    /// Errors: `BadOption` where the model does not embed, or has no such dimensions; `BadLogits`; those of [`Engine::forward`].
    pub async fn embed(&mut self, texts: &[Vec<u32>], options: &EmbedOptions) -> Result<Vec<Embedding>> {
        let (own, _) = self.pools()?;
        let pooling = options.pooling.unwrap_or(own);
        let n_embd = self.model.net.n_embd;
        let dimensions = options.dimensions.unwrap_or(n_embd);
        if !(1..=n_embd).contains(&dimensions) {
            bail!(BadOption, "dimensions is {dimensions}; give a whole number from 1 to {n_embd}.");
        }
        let (n_embd, dimensions) = (n_embd as usize, dimensions as usize);
        let blend = self.blend(&options.adapter)?;
        let mut states = self.states(texts, pooling, &blend, |at, tokens| wanted(pooling, at, tokens)).await?;
        if pooling != Pooling::None {
            states.iter_mut().for_each(|state| *state = self.model.embedding(state));
        }
        let embedding = |(states, tokens): (Vec<f32>, &Vec<u32>)| {
            let mut values: Vec<f32> =
                states.chunks_exact(n_embd).flat_map(|state| &state[..dimensions]).copied().collect();
            self.numbers(&values)?;
            if options.normalize {
                values.chunks_exact_mut(dimensions).for_each(normalize);
            }
            Ok(Embedding { tokens: tokens.len(), dimensions, values })
        };
        states.into_iter().zip(texts).map(embedding).collect()
    }

    /// `BadLogits` where what a head has computed is no number.
    fn numbers(&self, values: &[f32]) -> Result<()> {
        if values.iter().any(|value| !value.is_finite()) {
            return Err(decode::bad_logits(&self.device));
        }
        Ok(())
    }

    /// The scores that the model's classifier gives texts: one a label.
    ///
    /// Errors: `BadOption` where the model has no classifier; `BadLogits`; those of [`Engine::forward`].
    pub async fn classify(&mut self, texts: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        let (pooling, head) = self.pools()?;
        if head.is_none_or(|head| head.labels().is_none()) {
            bail!(
                BadOption,
                "This model has no classifier (cls.output.weight); take a reranker or a classifier, or embed."
            )
        }
        let states = self.states(texts, pooling, &Blend::new(), |at, tokens| wanted(pooling, at, tokens)).await?;
        let scores = states.iter().map(|state| self.model.scores(state));
        scores.map(|scores| self.numbers(&scores).map(|()| scores)).collect()
    }

    /// How much likelier "yes" is than "no" as the next word of each prompt: the difference of their logits, by the
    /// classifier that has a row for each, or else by the output matrix.
    ///
    /// Errors: `BadOption` where the model knows no such words; those of [`Engine::forward`].
    pub async fn yes(&mut self, prompts: &[Vec<u32>]) -> Result<Vec<f32>> {
        if matches!(self.model.net.gives, Gives::States { .. }) {
            // Llama.cpp's converter writes "yes" first, and the labels' names.
            let no_first = self.labels.first().is_some_and(|label| label == NO);
            let score = |row: &Vec<f32>| match row[..] {
                [no, yes] if no_first => yes - no,
                [yes, no] => yes - no,
                _ => row[0],
            };
            return Ok(self.classify(prompts).await?.iter().map(score).collect());
        }
        let [Some(yes), Some(no)] = [YES, NO].map(|word| self.tokenizer.token_id(word)) else {
            bail!(
                BadOption,
                "This model ranks by the words yes and no, but its vocabulary lacks them; convert it again."
            )
        };
        let mut found = Vec::with_capacity(prompts.len());
        // A vocabulary's logits are many.
        for few in prompts.chunks(AT_ONCE) {
            let logits = self.states(few, Pooling::Last, &Blend::new(), |at, tokens| at + 1 == tokens).await?;
            found.extend(logits.iter().map(|row| row[yes as usize] - row[no as usize]));
        }
        Ok(found)
    }

    /// The logits of the vocabulary, [n_vocab], for a word of a text: the one at this place.
    ///
    /// Errors: `BadOption` where the model has no head for words; `BadLogits`; those of [`Engine::forward`].
    pub async fn fill(&mut self, text: Vec<u32>, place: usize) -> Result<Vec<f32>> {
        let (buffer, recording) = self.words()?;
        let states = self.states(&[text], Pooling::None, &Blend::new(), |at, _| at == place).await?;
        let word = self.model.word(&states[0]);
        let prepared = self.device.prepare(&recording, &self.current).await?;
        self.device.write(buffer, 0, bytemuck::cast_slice(&word));
        self.device.run(&prepared, &self.current).await?;
        let bytes = u64::from(self.model.net.n_vocab) * 4;
        let logits = self.device.read(self.model.logits_buffer(), bytes).await?;
        let logits: Vec<f32> = bytemuck::pod_collect_to_vec(&logits);
        self.numbers(&logits)?;
        Ok(logits)
    }

    fn words(&self) -> Result<(BufferId, Recording)> {
        self.pools()?;
        match self.model.record_words()? {
            Some(words) => Ok(words),
            None => bail!(
                BadOption,
                "This model has no head for masked words (cls.norm.weight); take a masked language model whose file has it."
            ),
        }
    }

    fn pools(&self) -> Result<(Pooling, Option<Head>)> {
        match self.model.net.gives {
            Gives::States { pooling, head, .. } => Ok((pooling, head)),
            Gives::Logits => bail!(
                BadOption,
                "This model writes text: its file names no pooling; take a model that embeds, reranks or classifies."
            ),
        }
    }

    /// The pooled states of texts, [n_embd], or without pooling [those wanted][n_embd]; logits of a model that writes.
    /// `wanted` says so by the token's place and how many there are.
    async fn states(
        &mut self,
        texts: &[Vec<u32>],
        pooling: Pooling,
        blend: &Blend,
        wanted: impl Fn(usize, usize) -> bool,
    ) -> Result<Vec<Vec<f32>>> {
        self.check_tokens(texts)?;
        let width = self.model.net.output_row().length as usize;
        let most = self.model.sizes.max_rows as usize;
        let mut pooled: Vec<Pool> = texts.iter().map(|_| Pool::default()).collect();
        for group in groups(texts, most) {
            let mut rows = Vec::new();
            let lengths: Vec<u32> = group.iter().map(|index| texts[*index].len() as u32).collect();
            let sequences = self.lay(&lengths, blend)?;
            for (index, &sequence) in group.into_iter().zip(&sequences) {
                let tokens = &texts[index];
                rows.extend(tokens.iter().zip(0..).map(|(&token, position)| {
                    let logits = wanted(position as usize, tokens.len());
                    (index, Row { token, position, sequence, logits })
                }));
            }
            for part in rows.chunks(most) {
                let batch = Batch { rows: part.iter().map(|(_, row)| *row).collect(), prefill: true };
                let states = self.forward(&batch).await?;
                let wanted = part.iter().filter(|(_, row)| row.logits);
                for ((index, _), state) in wanted.zip(states.chunks_exact(width)) {
                    pooled[*index].add(state, pooling);
                }
            }
            sequences.into_iter().for_each(|sequence| self.close(sequence));
        }
        Ok(pooled.into_iter().map(Pool::finish).collect())
    }

    fn check_tokens(&self, texts: &[Vec<u32>]) -> Result<()> {
        let (n_vocab, n_types) = (self.model.net.n_vocab, self.model.net.token_types.unwrap_or(1));
        let context = self.model.sizes.context as usize;
        for (index, tokens) in texts.iter().enumerate() {
            if tokens.is_empty() || tokens.len() > context {
                bail!(PromptTooLong, "Text {index} has {} tokens; give 1 to {context}.", tokens.len());
            }
            let unknown = |&&word: &&u32| word & cell::TOKEN >= n_vocab || word >> cell::TOKEN.count_ones() >= n_types;
            if let Some(word) = tokens.iter().find(unknown) {
                bail!(
                    BadMetadata,
                    "Token {} is not in the vocabulary of {n_vocab}; the file's tokenizer does not fit its weights.",
                    word & cell::TOKEN
                );
            }
        }
        Ok(())
    }
}

/// Texts that share batches, the longest first: as many as `most` rows hold, or one that is longer.
fn groups(texts: &[Vec<u32>], most: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|&index| Reverse(texts[index].len()));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut rows = most;
    for index in order {
        if rows + texts[index].len() > most {
            groups.push(Vec::new());
            rows = 0;
        }
        rows += texts[index].len();
        groups.last_mut().expect("there is one").push(index);
    }
    groups
}

/// Whether the state of a text's token is read.
fn wanted(pooling: Pooling, position: usize, tokens: usize) -> bool {
    match pooling {
        Pooling::None | Pooling::Mean => true,
        Pooling::Cls => position == 0,
        Pooling::Last => position + 1 == tokens,
    }
}

/// A text's states, as they come.
#[derive(Default)]
struct Pool {
    sums: Vec<f64>,
    count: usize,
    states: Vec<f32>,
}

impl Pool {
    fn add(&mut self, state: &[f32], pooling: Pooling) {
        if pooling != Pooling::Mean {
            return self.states.extend_from_slice(state);
        }
        self.sums.resize(state.len(), 0.0);
        self.sums.iter_mut().zip(state).for_each(|(sum, x)| *sum += f64::from(*x));
        self.count += 1;
    }

    fn finish(self) -> Vec<f32> {
        match self.count {
            0 => self.states,
            count => self.sums.into_iter().map(|sum| (sum / count as f64) as f32).collect(),
        }
    }
}

/// A vector of length 1; zeros stay.
fn normalize(vector: &mut [f32]) {
    let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_texts_go_first_and_short_ones_share() {
        let texts: Vec<Vec<u32>> = [3, 1, 9, 4, 2].iter().map(|&n| vec![0; n]).collect();
        assert_eq!(groups(&texts, 5), [vec![2], vec![3], vec![0, 4], vec![1]]);
        assert_eq!(groups(&texts, 20), [vec![2, 3, 0, 4, 1]]);
        assert!(groups(&[], 5).is_empty());
    }
}
