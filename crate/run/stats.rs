//! What an engine has done so far, and how fast it is of late.

use crate::base::platform::Instant;
use crate::run::speculate::Guessed;

/// Seconds that "of late" reaches back to: what was earlier counts the less, the longer ago it is.
const LATELY: f64 = 2.0;

/// How many a second, of late.
#[derive(Clone, Copy, Debug, Default)]
struct Rate(Option<(Instant, f64)>);

impl Rate {
    fn add(&mut self, count: usize) {
        self.0 = Some((Instant::now(), self.now() + count as f64 / LATELY));
    }

    fn now(&self) -> f64 {
        self.0.map_or(0.0, |(at, rate)| rate * (-at.elapsed().as_secs_f64() / LATELY).exp())
    }
}

/// Counts since the load.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Requests that have come.
    pub requests: u64,
    /// Tokens of prompts that have been read, those included that were in the cache.
    pub prompt_tokens: u64,
    /// Of those, the ones that were in the cache.
    pub cached_tokens: u64,
    /// Tokens of replies.
    pub completion_tokens: u64,
    /// Passes of the model for requests, and their rows.
    pub passes: u64,
    /// Rows of all passes.
    pub rows: u64,
    /// Rows of the last pass, and the requests that they were of.
    pub last: (usize, usize),
    /// Guesses of all replies.
    pub guessed: Guessed,
    read: Rate,
    written: Rate,
}

impl Counts {
    /// A pass had so many rows of so many requests, some of them rows of prompts.
    pub(crate) fn pass(&mut self, rows: usize, requests: usize, of_prompts: usize) {
        self.passes += 1;
        self.rows += rows as u64;
        self.last = (rows, requests);
        if of_prompts > 0 {
            self.read.add(of_prompts);
        }
    }

    /// A prompt has been read.
    pub(crate) fn read(&mut self, tokens: usize, cached: usize) {
        self.prompt_tokens += tokens as u64;
        self.cached_tokens += cached as u64;
    }

    /// Replies have so many tokens more.
    pub(crate) fn wrote(&mut self, tokens: usize) {
        self.completion_tokens += tokens as u64;
        if tokens > 0 {
            self.written.add(tokens);
        }
    }

    /// Guesses were made.
    pub(crate) fn guessed(&mut self, drafted: usize, accepted: usize) {
        self.guessed.drafted += drafted;
        self.guessed.accepted += accepted;
    }

    /// Prompt tokens computed in a second, of late.
    pub fn prompt_tps(&self) -> f64 {
        self.read.now()
    }

    /// Reply tokens in a second, of late.
    pub fn completion_tps(&self) -> f64 {
        self.written.now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_late() {
        let mut counts = Counts::default();
        assert_eq!(counts.completion_tps(), 0.0);
        counts.wrote(40);
        counts.wrote(40);
        let now = counts.completion_tps();
        assert!((30.0..=40.0).contains(&now), "{now}");
        std::thread::sleep(std::time::Duration::from_millis(60));
        assert!(counts.completion_tps() < 0.98 * now);
    }
}
