//! The parts of a split attention put together, as in FlashDecoding (Dao et al. 2023).

use crate::kernels::job::Job;
use crate::kernels::rows::{Lanes, Number, Rows};
use crate::kernels::table::attention_combine;

impl Rows for attention_combine::Variant {
    /// Heads of all rows.
    fn rows(job: &Job) -> usize {
        (job.grid[0] * job.grid[1]) as usize
    }

    fn row<L: Lanes>(job: &Job, head: usize) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let (dim, splits) = (p.dim4 as usize * 4, p.splits as usize);
        let parts = b.parts.floats(head * splits * (dim + 4)..(head + 1) * splits * (dim + 4));
        // The last four numbers of a part: its largest score, its total, and two that nobody reads.
        let parts = || parts.chunks_exact(dim + 4).map(|part| part.split_at(dim));
        let top = parts().map(|(_, tail)| tail[0]).fold(f32::MIN, f32::max);
        let share = |tail: &[f32]| (L::Number::of(tail[0]) - L::Number::of(top)).exp();
        let total = parts().map(|(_, tail)| share(tail) * L::Number::of(tail[1]));
        let inverse = L::Number::of(1.0) / total.fold(L::Number::default(), |sum, x| sum + x);
        let out = b.out.floats_mut(head * dim..(head + 1) * dim).as_chunks_mut::<4>().0;
        for (i, out) in out.iter_mut().enumerate() {
            let each =
                parts().map(|(values, tail)| L::load(&values.as_chunks::<4>().0[i]) * L::splat(share(tail) * inverse));
            *out = each.fold(L::splat(L::Number::default()), |sum, x| sum + x).store();
        }
    }
}
