//! The blocks of a store's cells, and how many sequences use each: numbers alone.

/// All blocks.
#[derive(Debug)]
pub struct Pool {
    /// Of each block, the sequences that have it in their tables.
    users: Vec<u32>,
}

impl Pool {
    /// So many blocks, which nobody uses.
    pub fn new(count: u32) -> Self {
        Pool { users: vec![0; count as usize] }
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.users.len() as u32
    }

    /// How many nobody uses.
    pub fn free(&self) -> u32 {
        self.users.iter().filter(|users| **users == 0).count() as u32
    }

    /// One that nobody used, for the first who does: the neighbour of `before`, if it is free, so that what is copied, saved and
    /// restored lies together.
    pub fn take(&mut self, before: Option<u32>) -> Option<u32> {
        let is_free = |block: &u32| self.users.get(*block as usize) == Some(&0);
        let block = before.map(|block| block + 1).filter(is_free).or_else(|| (0..self.count()).find(is_free))?;
        self.users[block as usize] = 1;
        Some(block)
    }

    /// One more uses it.
    pub fn share(&mut self, block: u32) {
        self.users[block as usize] += 1;
    }

    /// One less uses it.
    pub fn give_back(&mut self, block: u32) {
        self.users[block as usize] -= 1;
    }

    /// Whether more than one use it: it may be read only.
    pub fn is_shared(&self, block: u32) -> bool {
        self.users[block as usize] > 1
    }

    /// How many are in none of these tables.
    pub fn outside(&self, tables: &[&[u32]]) -> u32 {
        let mut inside = vec![false; self.users.len()];
        tables.iter().copied().flatten().for_each(|block| inside[*block as usize] = true);
        inside.iter().filter(|inside| !**inside).count() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_taken_shared_and_given_back_no_block_is_lost_or_given_twice() {
        let mut state = 11u64;
        let mut below = |n: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % n
        };
        let mut pool = Pool::new(37);
        // Each entry is one use of a block.
        let mut uses: Vec<u32> = Vec::new();
        let (mut empty, mut shared) = (0, 0);
        for step in 0..20_000 {
            // Takes, then gives back, by turns of some hundred steps.
            let more = step / 300 % 2 == 0;
            match below(10) {
                0..3 if !uses.is_empty() => {
                    let block = uses[below(uses.len())];
                    pool.share(block);
                    uses.push(block);
                    shared += 1;
                }
                3..7 if more => match pool.take((!uses.is_empty()).then(|| uses[below(uses.len())])) {
                    Some(block) => {
                        assert!(!uses.contains(&block), "{block} was given twice");
                        uses.push(block);
                    }
                    None => {
                        assert!((0..37).all(|block| uses.contains(&block)));
                        empty += 1;
                    }
                },
                _ if !uses.is_empty() => pool.give_back(uses.swap_remove(below(uses.len()))),
                _ => {}
            }
            let used = |block| uses.iter().filter(|other| **other == block).count();
            assert_eq!(pool.free() as usize, (0..37).filter(|block| used(*block) == 0).count());
            assert!((0..37).all(|block| pool.is_shared(block) == (used(block) > 1)));
        }
        assert!(empty > 50 && shared > 1000, "{empty} times empty, {shared} shared");
        assert_eq!(pool.outside(&[&[3, 4, 5], &[5, 36]]), 33);
    }

    #[test]
    fn neighbours_come_first() {
        let mut pool = Pool::new(4);
        assert_eq!(
            (pool.take(None), pool.take(Some(2)), pool.take(Some(3)), pool.take(Some(1))),
            (Some(0), Some(3), Some(1), Some(2))
        );
        assert_eq!(pool.take(Some(0)), None);
    }
}
