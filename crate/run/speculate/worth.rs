//! How many guesses pay: by what passes of more rows take, and by how often guesses were right, both as measured so far.

/// Guesses of a pass, few sizes so that shapes come again: with the row before them 2, 4, 8 and 16 rows.
const SIZES: [usize; 4] = [1, 3, 7, 15];
/// The most guesses of a pass.
pub const MOST: usize = SIZES[SIZES.len() - 1];
/// Tokens in common with an earlier place, told apart up to here.
const LONGEST: usize = 8;
/// Below this many times as many tokens in the same time it is not worth the trouble.
const LEAST: f64 = 1.05;
/// What a row adds to a pass, in passes of one row, as long as nobody knows.
const ROW: f64 = 0.1;
/// As many guesses as what is thought of them at first counts for, and as many as are remembered.
const FIRST: f64 = 4.0;
const REMEMBERED: f64 = 64.0;
/// So many times in a row without a try, one is made: times change.
const PATIENCE: u32 = 64;

/// What is known so far.
#[derive(Clone, Debug)]
pub struct Worth {
    /// Milliseconds of a pass of one row, as of late.
    usual: Option<f64>,
    /// What each row more adds to a pass of a size, in passes of one row.
    rows: [Option<f64>; SIZES.len()],
    /// By the tokens in common: guesses that were right, and all that were told.
    odds: [(f64, f64); LONGEST + 1],
    declined: u32,
}

impl Default for Worth {
    fn default() -> Self {
        // The more is in common, the likelier it goes on so.
        let odds = std::array::from_fn(|matched| (FIRST * matched as f64 / (matched as f64 + 1.0), FIRST));
        Worth { usual: None, rows: Default::default(), odds, declined: 0 }
    }
}

impl Worth {
    /// How many guesses the next pass should hold, at most `most`, after so many tokens in common, and how many times as many
    /// tokens are likely to come of a time; 0 where none pay.
    pub fn choose(&mut self, matched: usize, most: usize) -> (usize, f64) {
        if self.usual.is_none() {
            return (0, 0.0);
        }
        let gain = |&guesses: &usize| self.tokens(matched, guesses) / self.cost(guesses);
        let sizes = SIZES.map(|size| size.min(most));
        let Some(best) = sizes.into_iter().max_by(|a, b| gain(a).total_cmp(&gain(b))) else { return (0, 0.0) };
        let gained = gain(&best);
        if gained > LEAST || self.declined >= PATIENCE {
            self.declined = 0;
            return (best, gained);
        }
        self.declined += 1;
        (0, 0.0)
    }

    /// A pass of so many rows took `ms`, the choice of its tokens included.
    pub fn took(&mut self, rows: usize, ms: f64) {
        if rows == 1 {
            self.usual = Some(late(self.usual, ms));
        } else if let Some(usual) = self.usual.filter(|usual| *usual > 0.0) {
            let known = &mut self.rows[size_of(rows - 1)];
            *known = Some(late(*known, ((ms / usual - 1.0) / (rows - 1) as f64).max(0.0)));
        }
    }

    /// Of so many guesses, after so many tokens in common, the first `right` were right, and the next was not.
    pub fn told(&mut self, matched: usize, guesses: usize, right: usize) {
        for at in 0..guesses.min(right + 1) {
            let (hits, all) = &mut self.odds[(matched + at).min(LONGEST)];
            *hits += f64::from(u8::from(at < right));
            *all += 1.0;
            if *all > REMEMBERED {
                (*hits, *all) = (*hits / 2.0, *all / 2.0);
            }
        }
    }

    /// Tokens that a pass is likely to bring: the one after those guesses that are right.
    fn tokens(&self, matched: usize, guesses: usize) -> f64 {
        let (mut sum, mut likely) = (1.0, 1.0);
        for at in 0..guesses {
            let (hits, all) = self.odds[(matched + at).min(LONGEST)];
            likely *= hits / all;
            sum += likely;
        }
        sum
    }

    /// What a pass takes, in passes of one row.
    fn cost(&self, guesses: usize) -> f64 {
        let at = size_of(guesses);
        let known = (0..SIZES.len()).filter_map(|i| Some((i.abs_diff(at), self.rows[i]?)));
        let row = known.min_by_key(|(far, _)| *far).map_or(ROW, |(_, row)| row);
        1.0 + row * guesses as f64
    }
}

/// What is known after one more; what was held up by others counts for little.
fn late(known: Option<f64>, new: f64) -> f64 {
    match known {
        None => new,
        Some(known) if new < known => 0.5 * (known + new),
        Some(known) => 0.75 * known + 0.25 * new.min(2.0 * known + 0.01),
    }
}

/// The place of the smallest size that holds so many guesses.
fn size_of(guesses: usize) -> usize {
    SIZES.partition_point(|&size| size < guesses).min(SIZES.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes of 10 ms, in which each row more takes `row` ms.
    fn measured(row: f64) -> Worth {
        let mut worth = Worth::default();
        worth.took(1, 10.0);
        SIZES.iter().for_each(|&size| worth.took(size + 1, 10.0 + row * size as f64));
        worth
    }

    #[test]
    fn as_many_are_made_as_pay() {
        let mut cheap = measured(0.5);
        assert_eq!((cheap.choose(8, 15).0, cheap.choose(8, 5).0, cheap.choose(8, 0).0), (15, 5, 0));
        // Where a row takes as long as a pass, there is nothing to gain by however good guesses.
        let mut dear = measured(10.0);
        (0..900).for_each(|_| dear.told(8, 15, 15));
        assert_eq!(dear.choose(8, 15).0, 0);
        // In between it is worth it the more, the surer they are.
        let mut fair = measured(5.0);
        assert_eq!((fair.choose(8, 15).0, fair.choose(2, 15).0), (3, 1));
        (0..20).for_each(|_| fair.told(8, 15, 15));
        assert_eq!(fair.choose(8, 15).0, 15);
        (0..60).for_each(|_| fair.told(8, 15, 0));
        assert_eq!(fair.choose(8, 15).0, 0);
    }

    #[test]
    fn what_was_slow_is_tried_again_at_last() {
        let mut worth = measured(10.0);
        let tries = (0..200).filter(|_| worth.choose(8, 15).0 > 0).count();
        assert_eq!(tries, 3);
        // Nothing is tried before there is something to compare it with; then what is not known to be bad is, at once.
        let mut new = Worth::default();
        assert_eq!(new.choose(8, 15).0, 0);
        new.took(1, 10.0);
        assert_eq!(new.choose(8, 15).0, 7);
    }
}
