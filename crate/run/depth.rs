//! How many steps of a generation are under way at a time.

use std::ops::RangeInclusive;

use crate::base::platform::Instant;
use crate::run::pace::lately;

/// Milliseconds of steps that are under way: a browser tells of a result some milliseconds after it is there, and the card
/// must not wait for the next step meanwhile.
const AHEAD: f64 = 6.0;
/// Steps on a card: what is read, computed and submitted at the same time; and what may be in vain where a reply ends.
pub const CARD: RangeInclusive<usize> = 3..=8;

/// The steps that may be under way, by how long one takes.
pub struct Depth {
    bounds: RangeInclusive<usize>,
    now: usize,
    /// Milliseconds from one result to the next, as of late.
    pace: Option<f64>,
    last: Option<Instant>,
}

impl Depth {
    /// Within these bounds, the fewest at first.
    pub fn new(bounds: RangeInclusive<usize>) -> Self {
        Depth { now: *bounds.start(), bounds, pace: None, last: None }
    }

    /// The most that may ever be under way.
    pub fn most(&self) -> usize {
        *self.bounds.end()
    }

    /// The most that may be under way now.
    pub fn now(&self) -> usize {
        self.now
    }

    /// Nothing was under way meanwhile: the next result says nothing of the pace.
    pub fn rest(&mut self) {
        self.last = None;
    }

    /// A result was read at this time.
    pub fn read(&mut self, at: Instant) {
        if let Some(last) = self.last.replace(at) {
            self.took(at.duration_since(last).as_secs_f64() * 1e3);
        }
    }

    fn took(&mut self, ms: f64) {
        let pace = lately(self.pace, ms);
        self.pace = Some(pace);
        self.now = ((AHEAD / pace).ceil() as usize).clamp(*self.bounds.start(), *self.bounds.end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_steps_are_more_at_a_time() {
        let mut depth = Depth::new(CARD);
        let mut after = |ms: f64| {
            (0..30).for_each(|_| depth.took(ms));
            depth.now()
        };
        assert_eq!([30.0, 2.0, 1.5, 1.0, 0.1, 0.0, 30.0].map(&mut after), [3, 3, 4, 6, 8, 8, 3]);
    }

    #[test]
    fn a_fixed_depth_stays() {
        let mut depth = Depth::new(2..=2);
        (0..9).for_each(|_| depth.took(0.1));
        assert_eq!((depth.now(), depth.most()), (2, 2));
    }
}
