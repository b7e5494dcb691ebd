//! How much of a prompt is read beside replies that go on, so that nobody's next token waits long: measured as it goes.

/// A pass with a prompt's rows takes at most about so many times as long as one without.
const LONGEST: f64 = 2.0;
/// Rows that are read in any case: so every prompt has its end.
const FEWEST: usize = 4;

/// Rows of a prompt in a pass, a power of two so that shapes come again, and what they go by.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    chunk: usize,
    most: usize,
    /// Milliseconds of a pass in which nobody read, as of late.
    usual: Option<f64>,
    /// Of the quickest so far in which somebody did: as long as there was none of the others, it is not more than that.
    least: f64,
}

impl Pace {
    /// For passes of at most so many rows.
    pub fn new(most: usize) -> Self {
        Pace { chunk: FEWEST.min(most.max(1)), most: most.max(1), usual: None, least: f64::INFINITY }
    }

    /// Rows that may be read beside replies that go on.
    pub fn chunk(&self) -> usize {
        self.chunk
    }

    /// A pass took `ms`, in which replies went on and so many rows were read.
    pub fn took(&mut self, read: usize, ms: f64) {
        if read == 0 {
            self.usual = Some(lately(self.usual, ms));
            return;
        }
        self.least = self.least.min(ms);
        let usual = self.usual.unwrap_or(self.least);
        if ms > LONGEST * usual {
            self.chunk = (self.chunk / 2).max(FEWEST.min(self.most));
        } else if read == self.chunk && 2.0 * ms - usual <= LONGEST * usual {
            // Twice as many rows would still be quick enough.
            self.chunk = (2 * self.chunk).min(self.most);
        }
    }
}

/// What took so long as of late, once it has taken `ms`.
pub(super) fn lately(known: Option<f64>, ms: f64) -> f64 {
    known.map_or(ms, |known| 0.75 * known + 0.25 * ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_grows_while_it_costs_little_and_shrinks_when_others_wait() {
        let mut pace = Pace::new(64);
        // How long others wait by themselves is not known: less than this.
        [4, 8].iter().for_each(|&chunk| pace.took(chunk, 90.0));
        assert_eq!(pace.chunk(), 16);
        pace.took(16, 200.0);
        assert_eq!(pace.chunk(), 8);
        pace.took(0, 10.0);
        (0..9).for_each(|_| pace.took(pace.chunk(), 11.0));
        assert_eq!(pace.chunk(), 64);
        pace.took(64, 25.0);
        assert_eq!(pace.chunk(), 32);
        // Not twice as many; and few rows say nothing of many.
        pace.took(32, 19.0);
        pace.took(5, 10.0);
        assert_eq!(pace.chunk(), 32);
        (0..9).for_each(|_| pace.took(pace.chunk(), 30.0));
        assert_eq!(pace.chunk(), 4);
        assert_eq!(Pace::new(3).chunk(), 3);
    }
}
