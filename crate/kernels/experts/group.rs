//! `shaders/experts/group.wgsl` on the CPU.

use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Rows};
use crate::kernels::table::group::{TILE, Variant};

impl Rows for Variant {
    fn rows(job: &Job) -> usize {
        job.grid[1] as usize
    }

    fn row<L: Lanes>(job: &Job, expert: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let pairs = b.choices.floats(0..2 * p.pairs as usize).as_chunks::<2>().0;
        let mut counts = vec![0; p.n as usize];
        for &[expert, _] in pairs {
            if let Some(count) = counts.get_mut(expert as usize) {
                *count += 1;
            }
        }
        let tile = TILE as usize;
        let before = &counts[..expert];
        let (first, first_tile): (usize, usize) =
            (before.iter().sum(), before.iter().map(|count: &usize| count.div_ceil(tile)).sum());
        let count = counts[expert];
        let mine = pairs.iter().zip(0..).filter(|([other, _], _)| *other as usize == expert).map(|(_, pair)| pair);
        b.order.words_mut(first..first + count).iter_mut().zip(mine).for_each(|(to, pair)| *to = pair);
        let is_last = expert + 1 == counts.len();
        let end = if is_last { p.tiles as usize - first_tile } else { count.div_ceil(tile) };
        let tiles = b.tiles.words_mut(4 * first_tile..4 * (first_tile + end)).as_chunks_mut::<4>().0;
        for (to, at) in tiles.iter_mut().zip((0..).step_by(tile)) {
            let rest = count.saturating_sub(at).min(tile);
            *to = [expert as u32, (first + at) as u32, rest as u32, 0];
        }
    }
}
